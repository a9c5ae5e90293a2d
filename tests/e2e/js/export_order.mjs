// SPDX-License-Identifier: Apache-2.0
// Records one order with the OpenTelemetry SDK for Node, exports it the given
// way, and prints what it recorded as OTLP/JSON.
//   node export_order.mjs grpc|http-protobuf|http-json URL SERVICE [gzip]
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter as GrpcExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

const exporters = {
  grpc: GrpcExporter,
  'http-protobuf': ProtobufExporter,
  'http-json': JsonExporter,
};

// A span of another trace, known from a message.
const elsewhere = {
  traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331',
  traceFlags: 1, isRemote: true,
};

function recordOrder(tracer) {
  const root = tracer.startSpan('POST /orders', { kind: SpanKind.SERVER });
  root.setAttributes({
    text: 'naïve ☃ 日本語', empty: '', flag: true, off: false,
    number: 9007199254740991, negative: -42, ratio: 0.1,
    texts: ['a', '', 'c'], flags: [true, false], numbers: [1, -2, 3],
    ratios: [0.5, -2.25], none: [],
  });
  root.addEvent('cache.miss', { key: 'user:7', attempt: 2 });
  const inRoot = trace.setSpan(context.active(), root);
  const child = tracer.startSpan('SELECT orders', {
    kind: SpanKind.CLIENT,
    links: [{ context: elsewhere, attributes: { why: 'retry' } }],
  }, inRoot);
  child.recordException(new Error('connection reset by peer'));
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'gave up' });
  child.end();
  tracer.startSpan('publish', { kind: SpanKind.PRODUCER }, inRoot).end();
  tracer.startSpan('consume', { kind: SpanKind.CONSUMER }, inRoot).end();
  tracer.startSpan('inside', {}, inRoot).end();
  root.setStatus({ code: SpanStatusCode.OK });
  root.end();
}

const [way, url, service, compression] = process.argv.slice(2);
const memory = new InMemorySpanExporter();
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': service, 'host.cores': 8 }),
  spanProcessors: [
    new SimpleSpanProcessor(memory),
    new SimpleSpanProcessor(new exporters[way]({ url, compression })),
  ],
});
recordOrder(provider.getTracer('shop', '1.2.3'));
await provider.forceFlush();
process.stdout.write(JsonTraceSerializer.serializeRequest(memory.getFinishedSpans()));
await provider.shutdown();
