// The database side of a chat application: drizzle-orm on node-postgres, each route one pattern of queries.
//
// The tables wait a few milliseconds inside PostgreSQL, as a database across a network does, so that the
// durations in the recording are measured ones.
const { startSdk, startServer, request, finish, sleep, trace } = require('./app.cjs');
const { PgInstrumentation } = require('@opentelemetry/instrumentation-pg');

const sdk = startSdk('chatbot', {
  instrumentations: [new PgInstrumentation({ enhancedDatabaseReporting: true })],
});
const { context } = require('@opentelemetry/api');
const { suppressTracing } = require('@opentelemetry/core');
const { Client, Pool } = require('pg');
const { drizzle } = require('drizzle-orm/node-postgres');
const { eq, and, inArray, sql } = require('drizzle-orm');
const { pgTable, text, boolean, timestamp } = require('drizzle-orm/pg-core');

const MESSAGES = 25;
const SCHEMA = `
  create table "User" (id text primary key, email text, password text);
  create table "Chat" (id text primary key, title text, "createdAt" timestamp default now());
  create table "Message_v2" (id text primary key, "chatId" text, role text, content text);
  create table vote_rows ("chatId" text, "messageId" text, "isUpvoted" boolean);
  create table suggestion_rows ("messageId" text, description text);
  create view "Vote_v2" as select v.* from vote_rows v, pg_sleep(0.003) pause;
  create view "Suggestion" as select s.* from suggestion_rows s, pg_sleep(0.003) pause;
  create table job_rows (id text, status text);
  create view "Job" as select j.* from job_rows j, pg_sleep(0.010) pause;
  create function pause() returns trigger language plpgsql
    as $$ begin perform pg_sleep(0.003); return null; end $$;
  create trigger pause before insert on "Message_v2" for each statement execute function pause();
  insert into "User" values ('user_42', 'jane@example.com', 'hash');
  insert into "Chat" values ('c1', 'First chat');
  insert into job_rows values ('job_1', 'running');
  insert into "Message_v2" select 'm' || i, 'c1', 'user', 'hello' from generate_series(0, ${MESSAGES - 1}) i;
  insert into vote_rows select 'c1', 'm' || i, true from generate_series(0, ${MESSAGES - 1}) i;
  insert into suggestion_rows select 'm' || i, 'shorter' from generate_series(0, ${MESSAGES - 1}) i;
`;

const chats = pgTable('Chat', { id: text('id'), title: text('title'), createdAt: timestamp('createdAt') });
const messages = pgTable('Message_v2', {
  id: text('id'), chatId: text('chatId'), role: text('role'), content: text('content'),
});
const votes = pgTable('Vote_v2', {
  chatId: text('chatId'), messageId: text('messageId'), isUpvoted: boolean('isUpvoted'),
});
const suggestions = pgTable('Suggestion', { messageId: text('messageId'), description: text('description') });
const jobs = pgTable('Job', { id: text('id'), status: text('status') });

async function createSchema() {
  const client = new Client();
  await client.connect();
  await client.query(SCHEMA);
  await client.end();
}

function routes() {
  const pool = new Pool({ max: 5 });
  const db = drizzle(pool);
  const narrowPool = new Pool({ max: 1 });
  const narrowDb = drizzle(narrowPool);
  const tracer = trace.getTracer('chatbot');
  const messagesOf = (id) => db.select().from(messages).where(eq(messages.chatId, id));
  const voteOf = (message) =>
    db.select().from(votes).where(and(eq(votes.chatId, message.chatId), eq(votes.messageId, message.id)));
  const suggestionOf = (message) =>
    db.select().from(suggestions).where(eq(suggestions.messageId, message.id));

  return {
    'GET /api/chat/:id/votes': async (incoming) => {
      for (const message of await messagesOf(incoming.params.id)) await voteOf(message);
    },
    'GET /api/chat/:id/votes-with-literals': async (incoming) => {
      for (const { id } of await messagesOf(incoming.params.id)) {
        await pool.query(`select * from "Vote_v2" where "chatId" = 'c1' and "messageId" = '${id}'`);
      }
    },
    'GET /api/chat/:id/interleaved': async (incoming) => {
      for (const message of (await messagesOf(incoming.params.id)).slice(0, 15)) {
        await voteOf(message);
        await suggestionOf(message);
      }
    },
    'GET /api/chat/:id/sibling-parents': async (incoming) => {
      for (const message of (await messagesOf(incoming.params.id)).slice(0, 15)) {
        await tracer.startActiveSpan('load vote', async (span) => {
          await voteOf(message);
          span.end();
        });
      }
    },
    // As many queries as an N+1 has, but too fast to matter.
    'GET /api/chat/:id/fast-loop': async (incoming) => {
      for (const message of (await messagesOf(incoming.params.id)).slice(0, 12)) {
        await db.select().from(chats).where(eq(chats.id, message.chatId));
      }
    },
    // The same question again and again on purpose, with a pause in between.
    'GET /api/job/:id/poll': async (incoming) => {
      await db.select().from(chats).where(eq(chats.id, 'c1'));
      for (let attempt = 0; attempt < 8; attempt += 1) {
        await db.select().from(jobs).where(eq(jobs.id, incoming.params.id));
        await sleep(60);
      }
    },
    // One insert a message inside a transaction.
    'POST /api/chat': async () => {
      await db.transaction(async (transaction) => {
        await transaction.insert(chats).values({ id: 'c2', title: 'Second chat' });
        for (let number = 0; number < MESSAGES; number += 1) {
          const message = { id: `n${number}`, chatId: 'c2', role: 'user', content: 'hello' };
          await transaction.insert(messages).values(message);
        }
      });
    },
    // The same work done well: one insert with many rows, one select with an IN list.
    'POST /api/chat/batched': async () => {
      const ids = Array.from({ length: MESSAGES }, (_, number) => `b${number}`);
      await db.insert(messages).values(ids.map((id) => ({ id, chatId: 'c3', role: 'user', content: 'hello' })));
      await db.select().from(messages).where(inArray(messages.id, ids));
    },
    // Six queries at once on a pool of one connection: five of them wait for it.
    'GET /api/pool-wait': async () => {
      const query = () => narrowDb.execute(sql`select pg_sleep(0.05)`);
      await Promise.all([query(), query(), query(), query(), query(), query()]);
    },
    'GET /api/report': () => db.execute(sql`select pg_sleep(0.6), count(*) from "Message_v2"`),
    'GET /api/error': () => db.execute(sql`select * from missing_table where id = ${5}`),
    // Text that must not leave the process: the values stand in the statement itself.
    'POST /api/login': () =>
      pool.query(`select * from "User" where email = 'jane@example.com' and password = 'secret-pw-1'`),
  };
}

const REQUESTS = [
  'GET /api/chat/c1/votes',
  'GET /api/chat/c1/votes-with-literals',
  'GET /api/chat/c1/interleaved',
  'GET /api/chat/c1/sibling-parents',
  'GET /api/chat/c1/fast-loop',
  'GET /api/job/job_1/poll',
  'POST /api/chat',
  'POST /api/chat/batched',
  'GET /api/pool-wait',
  'GET /api/report',
  'GET /api/error',
  'POST /api/login',
];

async function main() {
  await context.with(suppressTracing(context.active()), createSchema);
  const server = await startServer(routes());
  for (const route of REQUESTS) console.log(route, (await request(server, route)).status);
  await finish(server, sdk, 100);
}

main();
