// oidc-provider on a free port of 127.0.0.1; prints its issuer. Each line on stdin is an access token to forget. Ends
// when stdin does, so that it never outlives a test.
import http from 'node:http';
import readline from 'node:readline';
import { Provider } from 'oidc-provider';

const client = JSON.parse(process.env.CLIENT); // client_id, client_secret, redirect_uris
const server = http.createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        ...client,
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        response_types: ['code'],
        token_endpoint_auth_method: 'client_secret_basic',
      },
      {
        client_id: 'public',
        redirect_uris: client.redirect_uris,
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        application_type: 'native',
        token_endpoint_auth_method: 'none',
      },
    ],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: () => true,
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: () => true },
    },
    cookies: { keys: ['of a test'] },
    ttl: { AccessToken: 60, ClientCredentials: 60 },
  });
  server.on('request', provider.callback());
  readline
    .createInterface({ input: process.stdin })
    .on('line', async (value) => {
      await (await provider.AccessToken.find(value)).destroy();
      console.log('forgotten');
    })
    .on('close', () => process.exit(0));
  console.log(`issuer ${issuer}`);
});
