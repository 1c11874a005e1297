import { FASTIFY } from '../support/http-suite/faces.js';
import { httpSuite } from '../support/http-suite.js';

httpSuite(FASTIFY).run();
