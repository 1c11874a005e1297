import { HONO } from '../support/http-suite/faces.js';
import { httpSuite } from '../support/http-suite.js';

httpSuite(HONO).run();
