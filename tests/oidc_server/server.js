// A certified OpenID Connect provider for the tests: clients that act for themselves get tokens for one audience.
//
// Its first argument is JSON: {"keys": [private JWKs], "audience": "https://..."}. It listens on a free loopback port and
// says "listening <issuer>". Each line on stdin is a new list of keys, after which it says "rotated". It ends with stdin.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const { keys, audience } = JSON.parse(process.argv[2]);
const scopes = ['generate', 'models:read', 'sessions'];
let handle;

const server = createServer((request, response) => handle(request, response));
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const issuer = `http://127.0.0.1:${server.address().port}`;

// What is behind the audience says how its tokens look: `<audience>/jwt` or `<audience>/opaque`.
function tokensFor(resource) {
  const format = resource.endsWith('/opaque') ? 'opaque' : 'jwt';
  const named = resource.startsWith(`${audience}/`) ? audience : resource;
  return { scope: scopes.join(' '), audience: named, accessTokenFormat: format, accessTokenTTL: 600 };
}

function client(id) {
  return {
    client_id: id,
    client_secret: `secret of ${id}`,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  };
}

function serveWith(keys) {
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [client('app'), client('gateway')],
    scopes,
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_, who) => who.clientId === 'gateway' },
      revocation: { enabled: true },
      resourceIndicators: { enabled: true, getResourceServerInfo: (_, resource) => tokensFor(resource) },
    },
  });
  handle = provider.callback();
}

serveWith(keys);
console.log(`listening ${issuer}`);
for await (const line of createInterface({ input: process.stdin })) {
  serveWith(JSON.parse(line));
  console.log('rotated');
}
process.exit();
