/*
 * Mail through SMTP; without a server for it, into an outbox that the operator reads (the console, and
 * the outbox until it is of no use). A mail that cannot be sent is logged without its text, which may
 * hold a code; whoever waits for it asks for another.
 */
import type { Tx } from "@signalbox/eventlog/log";
import { plusMs, type Clock } from "@signalbox/kernel/clock";
import { newId } from "@signalbox/kernel/id";
import { createTransport, type Transporter } from "nodemailer";
import type { Logger } from "pino";

export interface Mail {
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly lifetimeMs: number;
}
export interface Mailer {
  /** Resolves when it is handed over or kept; never throws. */
  send(mail: Mail): Promise<void>;
  close(): void;
}

export function createMailer(deps: {
  readonly smtpUrl: string | undefined;
  readonly from: string;
  readonly anywhere: Tx;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Shows a mail to whoever runs the server. */
  readonly show: (text: string) => void;
}): Mailer {
  const { smtpUrl, from, anywhere, clock, logger } = deps;
  const transport: Transporter | null =
    smtpUrl === undefined
      ? null
      : createTransport(smtpUrl, { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000 } as never);
  return {
    async send({ to, subject, text, lifetimeMs }) {
      try {
        if (transport !== null) return void (await transport.sendMail({ from, to, subject, text }));
        deps.show(`\nMail to ${to}: ${subject}\n\n${text.replaceAll(/^/gm, "  ")}\n`);
        await anywhere.query(
          "insert into acc_outbox (id, recipient, subject, body, created_at, expires_at) values ($1, $2, $3, $4, $5, $6)",
          [newId("mail"), to, subject, text, clock.now(), plusMs(clock.now(), lifetimeMs)],
        );
      } catch (error) {
        logger.error({ err: error }, "a mail could not be sent: check SMTP_URL");
      }
    },
    close: () => transport?.close(),
  };
}
