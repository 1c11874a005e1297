/** Fields of a message in their order; names in lower case. A name may come more than once. */
export type HeaderPairs = readonly (readonly [name: string, value: string])[];

/** What the policy looks at of a request. */
export interface RequestHead {
  readonly method: string;
  /** Path and query as they were sent, nothing decoded: `/a%2Fb?x=1`. */
  readonly url: string;
  /** The Host field, or what stands in its place. */
  readonly host: string;
  /** What else the handler sees of where it was asked: 'https', or a URL's origin that is not the Host's; most often nothing. */
  readonly origin?: string | undefined;
  /** Names in lower case; several fields of a name joined by commas. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: HeaderPairs;
}

/** Fields of the request that the handler sees otherwise than the client sent them; undefined: not at all. */
export type RequestChanges = Readonly<Record<string, string | undefined>>;

/** What is to be done with a response whose head is known. */
export type Verdict =
  /** Gather the body up to `bytesMax`; beyond it, pass all of it on with `pass` added to the head. */
  | { readonly kind: 'collect'; readonly bytesMax: number; readonly pass: HeaderPairs }
  /** Pass it on to this request's client as it comes, with these fields in place of those of the same names. */
  | {
      readonly kind: 'pass';
      readonly pass: HeaderPairs;
      /** The client has it: a 304 goes out, and no body. */
      readonly notModified?: boolean;
      /** To be awaited before the client sees anything. */
      readonly before?: (() => Promise<void>) | undefined;
    }
  /** Let it come to nothing: something else is served. */
  | { readonly kind: 'drop' };

export type Judge = (head: ResponseHead) => Verdict;

export type Outcome =
  | { readonly kind: 'whole'; readonly head: ResponseHead; readonly body: Uint8Array }
  /** The face has begun to send it. */
  | { readonly kind: 'passing' }
  | { readonly kind: 'dropped' };

/** A request on its way through one framework: all that a face has to offer to the policy. */
export interface Exchange {
  readonly request: RequestHead;
  /** Whether `run` may be called more than once. */
  readonly isRepeatable: boolean;
  /** Whether a reply may go out while `run` goes on; true where it is missing. */
  readonly isEarly?: boolean;
  /**
   * Where fields may be added when the reply goes out: whether its client alone was given a cookie with it, so that the page may
   * be his too. The reply is sent before this is settled.
   */
  readonly isPersonal?: Promise<boolean> | undefined;
  /**
   * Runs the handler as if the request had these fields. Goes on when the client goes away. To be called at most once where the
   * exchange is not repeatable, and also when a reply has been given already: its response is collected then, or dropped.
   * @throws what the handler throws, and an error for a response that breaks off
   */
  run(changes: RequestChanges, judge: Judge): Promise<Outcome>;
}

/** A response that the cache gives. */
export interface Reply {
  readonly status: number;
  readonly headers: HeaderPairs;
  /** Undefined for none, as to HEAD and with 304. */
  readonly body: Uint8Array | undefined;
}
