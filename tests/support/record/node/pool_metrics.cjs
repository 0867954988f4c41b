// Metrics alone: a pool of connections that fills up, the runtime, the machine, and the requests of an Express server.
//
// Exported are three moments: one connection of the pool in use, then none, then all of them while two queries wait.
// With `two-pools` there are two, of different databases, and queries that take turns between them.
const { startSdk, meteredExports, startServer, request, finish, sleep } = require('./app.cjs');
const { PgInstrumentation } = require('@opentelemetry/instrumentation-pg');
const { RuntimeNodeInstrumentation } = require('@opentelemetry/instrumentation-runtime-node');
const { HostMetricsInstrumentation } = require('@opentelemetry/instrumentation-host-metrics');
const { HostMetrics } = require('@opentelemetry/host-metrics');

// Without system.cpu and system.network, whose series for each device are many and have no limit.
const metricGroups = ['system.memory', 'process.cpu', 'process.memory'];
const hasTwoPools = process.argv[2] === 'two-pools';
const metrics = meteredExports();
const sdk = startSdk('shop', {
  spanProcessors: [],
  metricReaders: metrics.metricReaders,
  instrumentations: [
    new PgInstrumentation(),
    ...(hasTwoPools ? [] : [new RuntimeNodeInstrumentation(), new HostMetricsInstrumentation({ metricGroups })]),
  ],
});
const { Pool } = require('pg');

const { PGHOST: host, PGPORT: port, PGUSER: user, PGDATABASE: database } = process.env;

const held = (pool, number) => Promise.all(Array.from({ length: number }, () => pool.connect()));
const release = (clients) => clients.forEach((client) => client.release());

async function onePool() {
  // As most applications say where their database is: DATABASE_URL.
  const pool = new Pool({ connectionString: `postgres://${user}@${host}:${port}/${database}`, max: 4 });
  const server = await startServer({
    'GET /api/orders/:id': (incoming) => pool.query('select $1::text', [incoming.params.id]),
    'GET /api/wait': () => pool.query('select 1'),
  });
  let clients = await held(pool, 1);
  await request(server, 'GET /api/orders/1');
  await metrics.export();

  release(clients);
  for (const id of [2, 3]) await request(server, `GET /api/orders/${id}`);
  await sleep(1000); // the event loop's utilization is of the time between two exports
  await metrics.export();

  clients = await held(pool, 4);
  const waiting = [request(server, 'GET /api/wait'), request(server, 'GET /api/wait')];
  await sleep(1000);
  await metrics.end();
  release(clients);
  await Promise.all(waiting);
  await pool.end();
  await finish(server, sdk, 0);
}

async function twoPools() {
  // What came before instrumentation-host-metrics.
  new HostMetrics({ metricGroups: ['system.memory'] }).start();
  const orders = new Pool({ host, port, user, database, max: 4 });
  const users = new Pool({ host, port, user, database: 'template1', max: 10 });
  const clients = await held(orders, 3);
  clients.push(...(await held(users, 1)));
  await metrics.export();
  for (let turn = 0; turn < 3; turn += 1) {
    await orders.query('select 1');
    await users.query('select 1');
  }
  await metrics.export();
  release(clients);
  await Promise.all([orders.end(), users.end()]);
  await metrics.end();
  await sdk.shutdown();
}

if (hasTwoPools) twoPools();
else onePool();
