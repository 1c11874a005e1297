import type { WireReader } from '../shared/wire-reader.js';
import type { WireWriter } from '../shared/wire-writer.js';

/** How one op is written and read on this side. */
export interface ClientOp<A extends readonly unknown[], R> {
  readonly code: number;
  /** A write that was sent and not answered may have taken effect. */
  readonly writes: boolean;
  /** Waits for other people's loads: it is given time as long as the daemon shows signs of life. */
  readonly patient?: boolean;
  /** Elements of the request besides id and op. */
  readonly fields: number;
  encode(writer: WireWriter, ns: number, args: A): void;
  decode(reader: WireReader, status: number, epoch: number, args: A): R;
}

/** Who asks: the channel of a client. */
export interface CallOwner {
  readonly namespace: string;
  /** The database of the namespace; undefined where it lies on none, or on several. */
  readonly place: string | undefined;
}

/** One request, from the moment it is asked until it is answered. */
export class Call {
  readonly op: ClientOp<readonly unknown[], unknown>;
  readonly args: readonly unknown[];
  readonly timeoutMs: number;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** undefined for what the connection asks by itself and nobody waits for */
  readonly owner: CallOwner | undefined;
  id = 0;
  deadlineTick = 0;
  askedTick = 0;
  /** The number of the write that it went out with; undefined while it has not been encoded. */
  batch: number | undefined;

  constructor(
    op: ClientOp<never, unknown>,
    args: readonly unknown[],
    timeoutMs: number,
    owner: CallOwner | undefined,
    resolve: (value: never) => void,
    reject: (error: unknown) => void,
  ) {
    this.op = op as ClientOp<readonly unknown[], unknown>;
    this.args = args;
    this.timeoutMs = timeoutMs;
    this.owner = owner;
    this.resolve = resolve as (value: unknown) => void;
    this.reject = reject;
  }
}
