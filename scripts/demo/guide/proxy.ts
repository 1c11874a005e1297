import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Hands each request to the next server in turn, as it is, and its response back. */
export class RoundRobin {
  readonly #server: Server;
  readonly #agent = new Agent({ keepAlive: true });
  /** How many requests each server was given. */
  readonly given: number[];

  constructor(ports: readonly number[]) {
    this.given = ports.map(() => 0);
    let turn = 0;
    this.#server = createServer((req, res) => {
      const at = turn++ % ports.length;
      this.given[at]! += 1;
      const { method = 'GET', url = '/', headers } = req;
      const options = { host: '127.0.0.1', port: ports[at]!, method, path: url, headers, agent: this.#agent };
      const outgoing = request(options, (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(res);
      });
      outgoing.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end()));
      req.pipe(outgoing);
    });
  }

  /** @param port 0 for any. @returns the one that it listens on */
  async listen(port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
  }
}
