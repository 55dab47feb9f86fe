/* OpenTelemetry, loaded only when a collector is configured: the SDK costs memory and start time. */
import type { EventLog } from "@signalbox/eventlog/log";

export interface Telemetry {
  /** Runs `work` in a span; a throw marks it as failed. */
  traced<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** The log, with a span around every append. */
  tracedLog(log: EventLog): EventLog;
  /** Sends what is left. */
  stop(): Promise<void>;
}

export async function startTelemetry(endpoint: string): Promise<Telemetry> {
  const [{ SpanStatusCode, trace }, { OTLPTraceExporter }, { BatchSpanProcessor, NodeTracerProvider }] = await Promise.all([
    import("@opentelemetry/api"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/sdk-trace-node"),
  ]);
  const provider = new NodeTracerProvider({
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }))],
  });
  provider.register();
  const tracer = trace.getTracer("signalbox");

  function traced<T>(name: string, work: () => Promise<T>): Promise<T> {
    return tracer.startActiveSpan(name, async (span) => {
      try {
        return await work();
      } catch (error) {
        // The name only: messages may quote what people typed.
        span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : "error" });
        throw error;
      } finally {
        span.end();
      }
    });
  }

  return {
    traced,
    tracedLog: (log) => ({
      ...log,
      unit: (options, work) => traced("log.unit", () => log.unit(options, work)),
      run: (decider, target, command) => traced("log.run", () => log.run(decider, target, command)),
    }),
    stop: () => provider.shutdown(),
  };
}
