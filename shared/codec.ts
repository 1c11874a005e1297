/** Values to bytes and back: see codec/pack.ts for what is kept, codec/json.ts for what JSONB can carry. */
export { type JsonForm, jsonToPacked, packCounter, packedToJson } from './codec/json.js';
export { pack, unpack } from './codec/pack.js';
