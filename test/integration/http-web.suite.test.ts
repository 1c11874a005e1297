import { WEB } from '../support/http-suite/faces.js';
import { httpSuite } from '../support/http-suite.js';

httpSuite(WEB).run();
