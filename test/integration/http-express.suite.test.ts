import { createRequire } from 'node:module';
import express5 from 'express';
import { expressFace } from '../support/http-suite/faces.js';
import { httpSuite } from '../support/http-suite.js';

/** Express 4 under another name, without types of its own. */
const express4 = createRequire(import.meta.url)('express4') as typeof express5;

httpSuite(expressFace('http: Express 5', express5)).run();
httpSuite(expressFace('http: Express 4', express4)).run();
