import { KOA } from '../support/http-suite/faces.js';
import { httpSuite } from '../support/http-suite.js';

httpSuite(KOA).run();
