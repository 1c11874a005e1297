import type { Config } from '../config.js';
import { hasPassword } from '../database-url.js';
import { urlsOf } from '../databases.js';
import type { RunningDaemon } from '../index.js';
import { createLog, type Log } from '../log.js';
import type { Environment } from '../options.js';
import { secretsOf } from '../redact.js';
import { connectSystemd } from '../systemd.js';
import { keepGarbageYoung } from './collector.js';

type Signal = 'SIGTERM' | 'SIGINT';

/** A log for this configuration that knows which passwords must not appear. */
export function logFor(config: Config, environment: Environment): Log {
  return createLog({ level: config.logLevel, secrets: secretsOf(urlsOf(config), environment) });
}

/**
 * What `ps` shows of this process. It also overwrites the arguments that it was started with, among which may be a
 * password.
 */
export function hideArguments(flags: Readonly<Record<string, unknown>>, title: string, log: Log): void {
  process.title = title;
  const urls = [flags.databaseUrl, flags.listenUrl].flat().filter((url) => typeof url === 'string');
  if (!urls.some(hasPassword)) return;
  log.warn(
    'a password was given on the command line, where other users of this host could read it until now: use PGCACHED_DATABASE_URL, --database-url-file or a systemd credential instead',
  );
}

/** What of a running daemon its process needs. */
export type Running = Pick<RunningDaemon, 'socketPath' | 'close'>;

export interface Lifecycle {
  start(): Promise<Running>;
  /** After the daemon has drained. */
  afterClose?(): Promise<void>;
  ready?(daemon: Running): void;
}

/**
 * Runs until a signal: `starting → serving → draining → ended`. A signal while starting waits for the start to end; a
 * second signal ends the process at once; an uncaught error is logged and ends it with 1.
 */
export async function runUntilSignal(
  log: Log,
  environment: Environment,
  lifecycle: Lifecycle,
): Promise<'ok' | 'failed'> {
  keepGarbageYoung();
  const signal = firstSignal(log);
  const systemd = connectSystemd({ environment, pid: process.pid, warn: (problem) => log.warn(problem) });
  process.on('uncaughtException', (err, origin) => {
    log.fatal({ err, origin }, 'an error that nothing handled: ending');
    process.exit(1);
  });
  let outcome: 'ok' | 'failed' = 'ok';
  try {
    const daemon = await lifecycle.start();
    log.info({ socket: daemon.socketPath, pid: process.pid }, 'ready');
    lifecycle.ready?.(daemon);
    // A daemon without its database is slow, not ill: restarting it would not help. Only a loop that hangs is ill.
    const watchdog = systemd.startWatchdog(() => true);
    await systemd.notifyReady();
    log.info({ signal: await signal }, 'stopping: no new connections, requests under way may end');
    await systemd.notifyStopping();
    await daemon.close();
    watchdog.stop();
  } catch (err) {
    log.error({ err }, 'the daemon could not run');
    outcome = 'failed';
  }
  await lifecycle.afterClose?.();
  if (outcome === 'ok') log.info('stopped');
  return outcome;
}

function firstSignal(log: Log): Promise<Signal> {
  return new Promise((resolve) => {
    let signals = 0;
    const onSignal = (signal: Signal): void => {
      signals++;
      if (signals === 1) {
        resolve(signal);
        return;
      }
      log.warn({ signal }, 'second signal: ending at once');
      process.exit(1);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
}
