import { isMainThread } from 'node:worker_threads';

/**
 * Preloaded into the daemons of the demo (`node --import`): when the demo is gone, however it went, the daemon is told to
 * stop as by a signal. Worker threads preload it too, and have no part in this.
 */
if (isMainThread && process.channel) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref();
}
