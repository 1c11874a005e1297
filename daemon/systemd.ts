import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { CacheError } from '../shared/errors.js';

/**
 * What the daemon says to systemd, and the socket it gets from there. Node cannot send to a datagram Unix socket, so
 * every message is one run of `systemd-notify`; where systemd did not start the daemon, nothing is run at all.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Has `systemd-notify` send one message, and resolves when it has ended well.
 * @param assignments the lines of the message, as in `READY=1`
 * @param environment all that the program is to see
 */
export type RunNotify = (assignments: readonly string[], environment: Environment) => Promise<void>;

export interface SystemdOptions {
  /** Where NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID stand. */
  readonly environment: Environment;
  /** The process that WATCHDOG_PID is compared with. */
  readonly pid: number;
  /** Told why a message did not reach systemd, or why the watchdog is left unfed; nothing of that is fatal. */
  readonly warn: (problem: string) => void;
  readonly run?: RunNotify;
}

/** The promises resolve once systemd has the message, or once it is clear that it does not get it; they never reject. */
export interface Systemd {
  /** The socket answers: `systemctl start` returns, and units ordered after this one start. */
  notifyReady(): Promise<void>;
  /** The drain begins. */
  notifyStopping(): Promise<void>;
  /** @param text one line for `systemctl status`; line breaks become spaces, and it is cut at 200 characters */
  notifyStatus(text: string): Promise<void>;
  /**
   * Feeds the watchdog at half its interval for as long as the daemon is healthy. Does nothing where systemd set no
   * watchdog for this process.
   * @param isHealthy asked before each ping, on the main thread: a loop that hangs does not ask
   */
  startWatchdog(isHealthy: () => boolean): { stop(): void };
}

/** Debian, Fedora, Arch; systems with a /bin of its own; NixOS. */
const NOTIFY_PATHS = ['/usr/bin/systemd-notify', '/bin/systemd-notify', '/run/current-system/sw/bin/systemd-notify'];

/** systemd-notify waits up to 5 s for systemd to take the message. */
const NOTIFY_TIMEOUT_MS = 10_000;

const STATUS_CHARACTERS_MAX = 200;

/** Behind input, output and errors (SD_LISTEN_FDS_START). */
const FIRST_PASSED_FD = 3;

/**
 * The file descriptor of the socket that systemd made and holds for this process (sd_listen_fds(3)).
 * @returns 3, or undefined where no socket was passed to this process
 * @throws CacheError ERR_SOCKET when there are several, or the number is none
 */
export function activatedSocketFd(environment: Environment, pid: number): number | undefined {
  const { LISTEN_FDS: count, LISTEN_PID: owner } = environment;
  // The variables are inherited; sockets for a parent are not ours.
  if (count === undefined || owner !== String(pid) || count === '0') return undefined;
  if (count === '1') return FIRST_PASSED_FD;
  const problem = /^[0-9]+$/.test(count)
    ? `systemd passed ${count} sockets, and the daemon listens on one: leave one ListenStream= in the socket unit`
    : `LISTEN_FDS is '${count}', which is not a number`;
  throw new CacheError('ERR_SOCKET', problem);
}

/** @returns the connection to the systemd that started this process, or one that does nothing where none did */
export function connectSystemd({ environment, pid, warn, run = runNotify }: SystemdOptions): Systemd {
  const send = createSender(environment, warn, run);
  return {
    notifyReady: () => send('READY', '1'),
    notifyStopping: () => send('STOPPING', '1'),
    notifyStatus: (text) => send('STATUS', oneLine(text)),
    startWatchdog(isHealthy) {
      const intervalMs = watchdogIntervalMs(environment, pid);
      if (intervalMs === undefined) return { stop() {} };
      let fed = true;
      const timer = setInterval(() => {
        const problem = illness(isHealthy);
        if (problem === undefined) void send('WATCHDOG', '1');
        else if (fed) warn(`the watchdog is not fed: ${problem}`);
        fed = problem === undefined;
      }, intervalMs);
      timer.unref();
      return { stop: () => clearInterval(timer) };
    },
  };
}

/**
 * Sends one message at a time, so that they arrive in their order. What is said meanwhile waits for the next message, a
 * variable's newer value in place of its older one: however slow systemd is, no more waits than there are variables.
 */
function createSender(environment: Environment, warn: (problem: string) => void, run: RunNotify) {
  const socket = environment.NOTIFY_SOCKET;
  if (socket === undefined || socket === '') return () => Promise.resolve();
  const waiting = new Map<string, string>();
  let next: Promise<void> | undefined;
  let last = Promise.resolve();

  async function sendWaiting(): Promise<void> {
    const assignments = [...waiting].map(([variable, value]) => `${variable}=${value}`);
    waiting.clear();
    next = undefined;
    try {
      // Nothing else of the environment: a database URL in it is not the child's business.
      await run(assignments, { NOTIFY_SOCKET: socket });
    } catch (error) {
      warn(`systemd was not told ${assignments.join(', ')}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  return (variable: string, value: string): Promise<void> => {
    waiting.set(variable, value);
    if (next === undefined) {
      next = last.then(sendWaiting);
      last = next;
    }
    return next;
  };
}

/** Half of what systemd waits for, as sd_watchdog_enabled(3) advises. */
function watchdogIntervalMs(environment: Environment, pid: number): number | undefined {
  const { WATCHDOG_USEC: microseconds, WATCHDOG_PID: owner } = environment;
  if (microseconds === undefined || !/^[1-9][0-9]*$/.test(microseconds)) return undefined;
  if (owner !== undefined && owner !== String(pid)) return undefined;
  return Math.max(1, Math.floor(Number(microseconds) / 2000));
}

function illness(isHealthy: () => boolean): string | undefined {
  try {
    return isHealthy() ? undefined : 'the daemon is not healthy';
  } catch (error) {
    return `the health check failed: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** A line break would start another assignment, and a status could then say READY=1. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ').slice(0, STATUS_CHARACTERS_MAX);
}

/** By its full path and without a shell: nothing that PATH or a text can redirect. */
function runNotify(assignments: readonly string[], environment: Environment): Promise<void> {
  const path = NOTIFY_PATHS.find((candidate) => existsSync(candidate));
  if (path === undefined) return Promise.reject(new Error(`no systemd-notify at ${NOTIFY_PATHS.join(' or ')}`));
  return new Promise((resolve, reject) => {
    execFile(path, assignments, { env: environment, timeout: NOTIFY_TIMEOUT_MS }, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
  });
}
