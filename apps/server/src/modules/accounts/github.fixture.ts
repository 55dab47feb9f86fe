/*
 * GitHub as its OAuth apps see it: /login/oauth/authorize, /login/oauth/access_token, /user and
 * /user/emails, in its wire format. Its errors come as it sends them: a used code is answered with 200.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface GitHubPerson {
  readonly id: number;
  readonly login: string;
  readonly name: string | null;
  /** The public one of the profile, which nobody proved. */
  readonly email: string | null;
  readonly emails: readonly {
    readonly email: string;
    readonly primary: boolean;
    readonly verified: boolean;
    readonly visibility: string | null;
  }[];
}
export interface GitHub {
  readonly url: string;
  who: GitHubPerson;
  /** What the next calls are answered with instead; null: as usual. */
  trouble:
    | "bad_verification_code"
    | "incorrect_client_credentials"
    | "bad_credentials"
    | "emails_forbidden"
    | "rate_limited"
    | "unicorn"
    | null;
  /** What was asked, as `METHOD /path`. */
  readonly asked: string[];
  close(): Promise<void>;
}

export async function startGitHub(client: { readonly id: string; readonly secret: string; readonly redirectUri: string }): Promise<GitHub> {
  const codes = new Map<string, { readonly challenge: string | null; readonly redirectUri: string }>();
  const tokens = new Set<string>();
  const self = { who: null as unknown as GitHubPerson, trouble: null as GitHub["trouble"], asked: [] as string[] };

  const json = (response: ServerResponse, status: number, body: unknown): void =>
    void response
      .writeHead(status, {
        "content-type": "application/json; charset=utf-8",
        "x-github-request-id": "0000:0000",
        "x-ratelimit-limit": "5000",
      })
      .end(JSON.stringify(body));
  const oauthError = (response: ServerResponse, error: string, description: string): void =>
    json(response, 200, {
      error,
      error_description: description,
      error_uri: "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors",
    });
  const apiError = (response: ServerResponse, status: number, message: string): void =>
    json(response, status, { message, documentation_url: "https://docs.github.com/rest", status: String(status) });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://github.invalid");
    self.asked.push(`${request.method} ${url.pathname}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = new URLSearchParams(Buffer.concat(chunks).toString());
    switch (`${request.method} ${url.pathname}`) {
      case "GET /login/oauth/authorize": {
        const redirectUri = url.searchParams.get("redirect_uri") ?? "";
        if (url.searchParams.get("client_id") !== client.id || redirectUri !== client.redirectUri)
          return void response.writeHead(404).end("Not Found");
        const code = randomBytes(10).toString("hex");
        codes.set(code, { challenge: url.searchParams.get("code_challenge"), redirectUri });
        const back = new URL(redirectUri);
        back.searchParams.set("code", code);
        back.searchParams.set("state", url.searchParams.get("state") ?? "");
        return void response.writeHead(302, { location: back.href }).end();
      }
      case "POST /login/oauth/access_token": {
        const basic = Buffer.from((request.headers.authorization ?? "").replace(/^Basic /i, ""), "base64")
          .toString()
          .split(":");
        const [id, secret] = [body.get("client_id") ?? basic[0], body.get("client_secret") ?? basic[1]];
        if (self.trouble === "incorrect_client_credentials" || id !== client.id || secret !== client.secret)
          return oauthError(response, "incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.");
        const code = codes.get(body.get("code") ?? "");
        codes.delete(body.get("code") ?? "");
        const proof = createHash("sha256")
          .update(body.get("code_verifier") ?? "")
          .digest("base64url");
        if (self.trouble === "bad_verification_code" || code === undefined || (code.challenge !== null && code.challenge !== proof))
          return oauthError(response, "bad_verification_code", "The code passed is incorrect or expired.");
        const token = `gho_${randomBytes(18).toString("hex")}`;
        tokens.add(token);
        return json(response, 200, { access_token: token, token_type: "bearer", scope: "read:user,user:email" });
      }
      case "GET /user":
      case "GET /user/emails": {
        if (request.headers["user-agent"] === undefined)
          return void response
            .writeHead(403)
            .end("Request forbidden by administrative rules. Please make sure your request has a User-Agent header.");
        const [scheme, token] = (request.headers.authorization ?? "").split(" ");
        if (self.trouble === "unicorn")
          return void response.writeHead(502, { "content-type": "text/html" }).end("<html><title>Unicorn!</title></html>");
        if (self.trouble === "rate_limited") {
          response.setHeader("x-ratelimit-remaining", "0");
          return apiError(response, 403, "API rate limit exceeded for user ID 1.");
        }
        if (self.trouble === "bad_credentials" || !/^(bearer|token)$/i.test(scheme ?? "") || !tokens.has(token ?? ""))
          return apiError(response, 401, "Bad credentials");
        if (url.pathname === "/user/emails") {
          if (self.trouble === "emails_forbidden") return apiError(response, 404, "Not Found");
          return json(response, 200, self.who.emails);
        }
        const profile = { ...self.who, emails: undefined };
        return json(response, 200, {
          ...profile,
          node_id: "U_1",
          avatar_url: "https://avatars.githubusercontent.com/u/1?v=4",
          type: "User",
          site_admin: false,
        });
      }
      default:
        return apiError(response, 404, "Not Found");
    }
  }
  const server = createServer((request, response) => void serve(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(self, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  });
}
