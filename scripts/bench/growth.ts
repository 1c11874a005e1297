import type { Options } from './options.js';
export async function main(_asked: Options): Promise<void> {}
