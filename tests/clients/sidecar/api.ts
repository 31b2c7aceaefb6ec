// An API in TypeScript, without a library. `keywright verifier --issuer URL --listen unix:SOCKET` beside it judges the tokens.
// Usage: node api.ts SOCKET PORT   (Node 22.18 or newer, which reads types over)

import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

const [socketPath, port] = process.argv.slice(2);

const server = createServer((caller, answer) => {
  const question = request({ socketPath, path: '/verify', method: 'POST', timeout: 5000 }, async (verdict) => {
    if (verdict.statusCode === 200) {
      const { claims } = (await json(verdict)) as { claims: { email: string } };
      answer.end(`hello ${claims.email}\n`);
    } else {
      // What the verifier says to a bad token is for the caller: status, challenge and body.
      answer.writeHead(verdict.statusCode!, verdict.headers);
      verdict.pipe(answer);
    }
  });
  question.on('timeout', () => question.destroy(new Error('the verifier is silent')));
  question.on('error', () => answer.writeHead(503, { 'retry-after': '1' }).end()); // not judged is not let in
  question.end(JSON.stringify({ token: caller.headers.authorization, permission: 'distribution.profile.view' }));
});
server.listen(Number(port), '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`));
