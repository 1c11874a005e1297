import { DatabaseFailure } from '../../daemon/database.js';
import { type ModelPostgres, SqlError, type Steps, type Tx } from './postgres.js';

/** Runs one transaction step by step, in the world's time; it ends in a commit, an abort, or its death. */
export class Backend<T> {
  readonly #pg: ModelPostgres;
  readonly #tx: Tx;
  readonly #steps: Steps<T>;
  readonly #end: (result: { value: T } | { error: Error }) => void;
  #dead = false;
  readonly #die = () => this.kill();

  constructor(
    pg: ModelPostgres,
    statement: (tx: Tx) => Steps<T>,
    end: (result: { value: T } | { error: Error }) => void,
  ) {
    this.#pg = pg;
    this.#tx = pg.begin();
    this.#steps = statement(this.#tx);
    this.#end = end;
    pg.onCrash.add(this.#die);
    this.#advance();
  }

  /** What it did so far is undone; nobody is answered, but the connection breaks. */
  kill(): void {
    if (this.#dead) return;
    this.#finish();
    this.#pg.abort(this.#tx);
    this.#end({ error: new DatabaseFailure('unknown', 'the backend was killed') });
  }

  #finish(): void {
    this.#dead = true;
    this.#pg.onCrash.delete(this.#die);
  }

  #advance(): void {
    const { world, waiting } = this.#pg;
    while (!this.#dead) {
      let step: ReturnType<Steps<T>['next']>;
      try {
        step = this.#steps.next('go');
      } catch (error) {
        this.#finish();
        this.#pg.abort(this.#tx);
        if (!(error instanceof SqlError)) throw error;
        this.#end({ error: new DatabaseFailure('refused', error.message, error.sqlState) });
        return;
      }
      if (step.done) {
        this.#finish();
        this.#pg.commit(this.#tx);
        this.#end({ value: step.value });
        return;
      }
      if (step.value.kind === 'wait') {
        waiting.add(() => this.#advance());
        return;
      }
      if (world.random.chance(world.weather.stop)) {
        world.after(world.delayMs(), () => this.#advance());
        return;
      }
    }
  }
}
