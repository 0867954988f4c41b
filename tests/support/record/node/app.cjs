// The application around the Node recordings: an Express server with the OpenTelemetry SDK, and a client that
// drives it. Only the server is traced: the driver's own requests leave no span.
//
// An application calls startSdk before it requires anything that is to be instrumented.
const http = require('node:http');
const { trace, context, SpanStatusCode } = require('@opentelemetry/api');
const { getRPCMetadata } = require('@opentelemetry/core');
const { NodeSDK } = require('@opentelemetry/sdk-node');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-proto');
const { OTLPMetricExporter } = require('@opentelemetry/exporter-metrics-otlp-proto');
const { PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
const { HttpInstrumentation } = require('@opentelemetry/instrumentation-http');
const { ExpressInstrumentation } = require('@opentelemetry/instrumentation-express');

function startSdk(serviceName, { instrumentations = [], spanProcessors, spanLimits, metricReaders = [] } = {}) {
  const sdk = new NodeSDK({
    resource: resourceFromAttributes({
      'service.name': serviceName,
      'service.version': '1.0.0',
      'deployment.environment.name': 'test',
    }),
    // No detectors: they would record the machine's host name and command lines.
    resourceDetectors: [],
    autoDetectResources: false,
    ...(spanProcessors ? { spanProcessors } : { traceExporter: new OTLPTraceExporter() }),
    spanLimits,
    logRecordProcessors: [],
    metricReaders,
    instrumentations: [
      new HttpInstrumentation({ ignoreOutgoingRequestHook: () => true }),
      new ExpressInstrumentation({ ignoreLayersType: ['middleware'] }),
      ...instrumentations,
    ],
  });
  sdk.start();
  return sdk;
}

// Metrics over OTLP: export() sends what was measured until then, end() does so for the last time.
function meteredExports() {
  const exporter = new OTLPMetricExporter();
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  return { metricReaders: [reader], export: () => reader.forceFlush(), end: () => reader.shutdown() };
}

// The span of the HTTP request, also from inside the spans that Express makes.
function serverSpan() {
  return getRPCMetadata(context.active()).span;
}

// Routes are `{ 'GET /path/:id': async (request, response) => ... }`; a handler that throws answers 502.
async function startServer(routes) {
  const express = require('express');
  const application = express();
  for (const [route, handler] of Object.entries(routes)) {
    const [method, path] = route.split(' ');
    application[method.toLowerCase()](path, async (request, response) => {
      serverSpan().setAttributes({
        'user.id': request.get('x-user'),
        'session.id': `sess_of_${request.get('x-user')}`,
        ...(request.query.scenario && { scenario: request.query.scenario }),
      });
      try {
        await handler(request, response);
        if (!response.writableEnded) response.end();
      } catch (error) {
        if (!response.headersSent) response.status(502);
        response.end(String(error));
      }
    });
  }
  const server = application.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return server;
}

// Send one request and read the answer; with `leaveAfterMs` the client hangs up that long after the first byte.
function request(server, route, { leaveAfterMs, user = 'user_42', headers } = {}) {
  const [method, path] = route.split(' ');
  const { address: host, port } = server.address();
  const options = { method, path, host, port, agent: false, headers: { 'x-user': user, ...headers } };
  return new Promise((resolve, reject) => {
    const outgoing = http.request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part) => {
        if (!text && leaveAfterMs) setTimeout(() => outgoing.destroy(), leaveAfterMs);
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode, text }));
      response.on('error', () => resolve({ status: response.statusCode, text, left: true }));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

// Stop serving, give background work that outlives its request a moment to end its spans, and export.
async function finish(server, sdk, settleMs = 1500) {
  await new Promise((resolve) => setTimeout(resolve, settleMs));
  server.closeAllConnections();
  server.close();
  await sdk.shutdown();
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

module.exports = { startSdk, meteredExports, startServer, serverSpan, request, finish, sleep, trace, SpanStatusCode };
