// One set of spans, exported twice: in protobuf and in JSON. Whoever reads both must see the same.
//
// The spans use every field that the JavaScript API can set: links, events, all attribute types, trace state of a
// remote parent, status text, dropped attributes and events. With the argument `odd-numbers` they carry numbers that
// JavaScript has and JSON or int64 has not, which the two encodings write differently.
const { startSdk, startServer, request, finish, trace, SpanStatusCode } = require('./app.cjs');
const { SpanKind } = require('@opentelemetry/api');
const { BatchSpanProcessor } = require('@opentelemetry/sdk-trace');
const proto = require('@opentelemetry/exporter-trace-otlp-proto');
const json = require('@opentelemetry/exporter-trace-otlp-http');

const inOneBatch = { scheduledDelayMillis: 60_000 };
const sdk = startSdk('shop', {
  spanProcessors: [proto, json].map(
    ({ OTLPTraceExporter }) => new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), ...inOneBatch }),
  ),
  spanLimits: { eventCountLimit: 2, attributeCountLimit: 30 },
});
const ODD_NUMBERS = {
  'shop.nan': NaN,
  'shop.infinity': Infinity,
  'shop.minus_infinity': -Infinity,
  'shop.minus_zero': -0,
  'shop.above_int64': 1e21,
  'shop.above_2_53': 2 ** 60,
  'shop.mixed': [1, 0.5, 1e21, NaN],
};
const extra = process.argv[2] === 'odd-numbers' ? ODD_NUMBERS : {};
const tracer = trace.getTracer('shop', '2.3.4');

const routes = {
  'POST /api/order/:id': async () => {
    const before = tracer.startSpan('publish order', { kind: SpanKind.PRODUCER });
    before.end();
    const attributes = {
      'shop.text': 'Grüße 🚀 "quoted" \\ \n',
      'shop.empty': '',
      'shop.int': 9_007_199_254_740_991,
      'shop.negative': -1,
      'shop.double': 0.1,
      'shop.yes': true,
      'shop.no': false,
      'shop.texts': ['a', 'b'],
      'shop.ints': [1, 2, 3],
      'shop.doubles': [0.5, 1.5],
      'shop.flags': [true, false],
      'shop.none': [],
      ...extra,
    };
    const links = [{ context: before.spanContext(), attributes: { 'link.reason': 'caused by' } }];
    const span = tracer.startSpan('consume order', { kind: SpanKind.CONSUMER, attributes, links });
    for (const step of ['picked', 'packed', 'labelled']) span.addEvent(step, { 'parcel.weight_kg': 1.25 });
    for (let number = 0; number < 20; number += 1) span.setAttribute(`shop.extra.${number}`, number);
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'address unknown' });
    span.end();
    tracer.startSpan('fine', { attributes: { ok: true } }).setStatus({ code: SpanStatusCode.OK }).end();
  },
};

async function main() {
  const server = await startServer(routes);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const headers = { traceparent, tracestate: 'ot=th:0,congo=t61rcWkgMzE' };
  console.log((await request(server, 'POST /api/order/7', { headers })).status);
  console.log((await request(server, 'POST /api/order/8')).status);
  await finish(server, sdk, 100);
}

main();
