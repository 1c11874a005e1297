import { once } from 'node:events';
import { connect } from 'node:net';
import * as ops from '../../../client/ops.js';
import { writeNothing, writeNumber, writeValue, writeValues } from '../../../daemon/ops/replies.js';
import { pack } from '../../../shared/codec.js';
import { WireWriter } from '../../../shared/wire-writer.js';
import type { Addresses, Caller } from '../contenders.js';
import { counterAt, DATA, type Data, SIZES } from '../data.js';
import { ECHO_HEADER_BYTES } from '../echo-protocol.js';
import type { Workload } from '../workloads.js';

type EchoWorkload = Extract<Workload, 'get-hit' | 'get-miss' | 'set' | 'getMany(10)' | 'incr' | 'incr-hot'>;
type Exchange = readonly [request: Buffer, replyBytes: number];

/**
 * The floor: as many bytes each way as pgcached sends, over a Unix socket, with nothing done to them at either end. What
 * one turn asks goes out in one write here too.
 */
export async function callEcho({ echoSocket }: Addresses): Promise<Caller> {
  const socket = connect(echoSocket);
  await once(socket, 'connect');
  const waiting: { replyBytes: number; resolve: () => void }[] = [];
  let first = 0;
  let queued: Buffer[] = [];
  let received = 0;
  socket.on('data', (chunk) => {
    received += chunk.length;
    while (first < waiting.length && received >= waiting[first]!.replyBytes) {
      received -= waiting[first]!.replyBytes;
      waiting[first++]!.resolve();
    }
    if (first === waiting.length) {
      waiting.length = 0;
      first = 0;
    }
  });
  const flush = () => {
    socket.write(queued.length === 1 ? queued[0]! : Buffer.concat(queued));
    queued = [];
  };
  const ask = ([request, replyBytes]: Exchange) =>
    new Promise<true>((resolve) => {
      if (queued.push(request) === 1) process.nextTick(flush);
      waiting.push({ replyBytes, resolve: () => resolve(true) });
    });
  const bySize = Object.fromEntries(SIZES.map((size) => [size, exchangesOf(DATA[size])]));
  return {
    calls: Object.fromEntries(
      Object.keys(bySize[SIZES[0]]!).map((name) => [
        name,
        (_index: number, { size }: Data) => ask(bySize[size]![name as EchoWorkload]),
      ]),
    ) as Caller['calls'],
    async close() {
      socket.destroy();
    },
  };
}

/** What pgcached's two sides would send, written by their own functions. */
function exchangesOf(data: Data): Record<EchoWorkload, Exchange> {
  const value = pack(data.valueAt(1));
  const key = data.keyAt(1);
  const get = exchange(
    3,
    (w) => ops.GET.encode(w, 0, [0, key]),
    (w) => writeValue(w, 1, value),
  );
  const incr = exchange(
    4,
    (w) => ops.INCR.encode(w, 0, [counterAt(1), 1, undefined]),
    (w) => writeNumber(w, 1, 1000),
  );
  return {
    'get-hit': get,
    'get-miss': get,
    set: exchange(
      5,
      (w) => ops.SET.encode(w, 0, [key, value, undefined, [], 0]),
      (w) => writeNothing(w, 1),
    ),
    'getMany(10)': exchange(
      3,
      (w) => ops.GET_MANY.encode(w, 0, [0, data.manyAt(1)]),
      (w) => writeValues(w, 1, new Array(10).fill(value)),
    ),
    incr,
    'incr-hot': incr,
  };
}

function exchange(fields: number, ask: (writer: WireWriter) => void, answer: (writer: WireWriter) => void): Exchange {
  const asked = new WireWriter();
  ask(asked.begin(fields, 1));
  asked.end();
  const answered = new WireWriter();
  answer(answered);
  const request = Buffer.alloc(Math.max(asked.bytes, ECHO_HEADER_BYTES));
  request.writeUInt32LE(request.length, 0);
  request.writeUInt32LE(answered.bytes, 4);
  return [request, answered.bytes];
}
