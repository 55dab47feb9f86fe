/* `/metrics` for Prometheus. Labels are operations and statuses, never ids: their number is bounded. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";

export interface Metrics {
  observe(done: { readonly route: string; readonly status: number; readonly ms: number }): void;
  gauge(name: string, help: string, read: () => number): void;
  text(): Promise<string>;
  readonly contentType: string;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: "signalbox_" });
  const requests = new Counter({
    name: "signalbox_http_requests_total",
    help: "Answers by operation and status.",
    labelNames: ["route", "status"],
    registers: [registry],
  });
  const seconds = new Histogram({
    name: "signalbox_http_request_seconds",
    help: "Time to answer by operation.",
    labelNames: ["route"],
    registers: [registry],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
  });
  return {
    observe({ route, status, ms }) {
      requests.inc({ route, status });
      seconds.observe({ route }, ms / 1000);
    },
    gauge(name, help, read) {
      // Its own registry, not prom-client's global one: a process may hold more than one server.
      const made: Gauge = new Gauge({ name, help, registers: [registry], collect: (): void => made.set(read()) });
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
