// A shop whose requests fail in the ways that applications record: the same error on every span that it passes,
// an error wrapped in another, an error that was handled, a thrown string, a failure without any exception.
const { startSdk, startServer, request, finish, sleep, trace, SpanStatusCode } = require('./app.cjs');

const sdk = startSdk('shop');
const tracer = trace.getTracer('shop', '2.3.4');

class PaymentDeclinedError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = 'PaymentDeclinedError';
  }
}

// Run `work` in a span that records what it throws, as the usual wrapper in applications does.
function inSpan(name, work) {
  return tracer.startActiveSpan(name, async (span) => {
    try {
      await sleep(2);
      return await work(span);
    } catch (error) {
      span.recordException(error);
      span.setStatus({ code: SpanStatusCode.ERROR, message: String(error.message ?? error) });
      throw error;
    } finally {
      span.end();
    }
  });
}

function declineCard(amount) {
  throw new PaymentDeclinedError(`card declined for ${amount} EUR`);
}

const routes = {
  // One error, recorded three times on its way up.
  'POST /api/checkout': () =>
    inSpan('checkout', () => inSpan('pay', () => inSpan('charge card', () => declineCard(42)))),
  // Two errors: the outer one names the inner one as its cause.
  'POST /api/refund': () =>
    inSpan('refund', async () => {
      try {
        await inSpan('charge back', () => declineCard(7));
      } catch (error) {
        throw new Error('refund failed', { cause: error });
      }
    }),
  // Recorded, then handled: the span and the request are fine.
  'GET /api/recommendations': () =>
    inSpan('recommend', async (span) => {
      try {
        JSON.parse('{"broken"');
      } catch (error) {
        span.recordException(error);
      }
    }),
  // An error of Node itself, which carries a code.
  'GET /api/invoice': () =>
    inSpan('read invoice', () => require('node:fs').promises.readFile('/nonexistent/invoice.pdf')),
  // Not an Error at all.
  'GET /api/stock': () =>
    inSpan('count stock', () => {
      throw 'warehouse is closed';
    }),
  // A failure that nobody recorded as an exception.
  'GET /api/price': async (incoming, response) => {
    await tracer.startActiveSpan('look up price', async (span) => {
      span.setStatus({ code: SpanStatusCode.ERROR, message: 'no price list' });
      span.end();
    });
    response.status(500).end();
  },
  'GET /api/fine': () => inSpan('fine', () => {}),
};

async function main() {
  const server = await startServer(routes);
  for (const route of Object.keys(routes)) console.log(route, (await request(server, route)).status);
  await finish(server, sdk, 100);
}

main();
