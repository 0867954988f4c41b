// A chat application on the Vercel AI SDK, version v5, v6, v7 or v7-legacy (v7 with the span shapes of v6).
//
// Every scenario is one request to /api/chat. Prompts carry the markers that the provider stand-in understands.
const { startSdk, startServer, request, finish, sleep, trace } = require('./app.cjs');
const { UndiciInstrumentation } = require('@opentelemetry/instrumentation-undici');

const version = process.argv[2];
const sdk = startSdk('chatbot', {
  // v6 also records the HTTP requests below the model calls, as an application with auto-instrumentation does.
  instrumentations: version === 'v6' ? [new UndiciInstrumentation()] : [],
});

async function load() {
  if (version === 'v5' || version === 'v6') {
    const [ai, openai, anthropic] = await Promise.all([
      import(`ai-${version}`), import(`openai-${version}`), import(`anthropic-${version}`),
    ]);
    return { ai, ...openai, ...anthropic };
  }
  const [ai, openai, anthropic, otel] = await Promise.all([
    import('ai'), import('@ai-sdk/openai'), import('@ai-sdk/anthropic'), import('@ai-sdk/otel'),
  ]);
  const tracer = trace.getTracer(version === 'v7' ? 'gen_ai' : 'ai');
  ai.registerTelemetry(
    version === 'v7'
      ? new otel.OpenTelemetry({ tracer, usage: true, providerMetadata: true })
      : new otel.LegacyOpenTelemetry({ tracer }),
  );
  return { ai, ...openai, ...anthropic };
}

// Spans shall name the providers' real hosts, requests shall go to the stand-in.
function toStandIn(url, init) {
  const { pathname, search } = new URL(url);
  return fetch(process.env.PROVIDER_URL + pathname + search, init);
}

// Telemetry settings of one call: v7 has no metadata, so its user is known from the server span alone.
function telemetry(functionId, userId = 'user_42') {
  const metadata = { userId, sessionId: `sess_of_${userId}`, projectId: 'proj_a' };
  return version.startsWith('v7')
    ? { telemetry: { functionId } }
    : { experimental_telemetry: { isEnabled: true, functionId, metadata } };
}

async function main() {
  const { ai, createOpenAI, createAnthropic } = await load();
  const { z } = await import('zod');
  const openai = createOpenAI({ apiKey: 'not-a-key', fetch: toStandIn });
  const anthropic = createAnthropic({ apiKey: 'not-a-key', fetch: toStandIn });
  const models = {
    'openai-chat': openai.chat('gpt-4o-mini'),
    'openai-responses': openai.responses('gpt-5-mini'),
    anthropic: anthropic('claude-sonnet-4-5'),
  };
  const embedding = (openai.embedding ?? openai.textEmbedding)('text-embedding-3-small');
  const getWeather = ai.tool({
    description: 'Weather of a city',
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      await sleep(15);
      return { city, temperature: 21 };
    },
  });

  const userOf = (model) => (model === models.anthropic ? 'user_7' : 'user_42');
  const generate = (model, prompt, more = {}) =>
    ai.generateText({ model, prompt, ...telemetry('chat', userOf(model)), ...more });
  const stream = (model, prompt, more = {}) =>
    ai.streamText({ model, prompt, onError: () => {}, ...telemetry('chat-stream', userOf(model)), ...more });
  async function send(result, response) {
    for await (const text of result.textStream) response.write(text);
  }

  const withEveryModel = {
    'generateText+tool': (model) =>
      generate(model, 'What is the weather in Paris?', {
        tools: { getWeather },
        stopWhen: (ai.stepCountIs ?? ai.isStepCount)(3),
      }),
    'generateText-429': (model) => generate(model, '[429] hello', { maxRetries: 1 }),
    streamText: (model, response) => send(stream(model, 'Say hello'), response),
    // The client hangs up and the application passes that on to the model call.
    'streamText-client-left': async (model, response) => {
      const controller = new AbortController();
      response.on('close', () => controller.abort());
      await send(stream(model, '[slow] tell me everything', { abortSignal: controller.signal }), response);
    },
  };
  const scenarios = {
    'openai-chat/streamText-429': async (response) => {
      const result = stream(models['openai-chat'], '[429] hello', { maxRetries: 0 });
      await send(result, response);
      await result.finishReason;
    },
    // The application loses interest without a word: nobody reads the stream any more.
    'openai-chat/streamText-reader-left': async (response) => {
      for await (const text of stream(models['openai-chat'], 'Say hello').textStream) {
        response.write(text);
        break;
      }
    },
    'openai-responses/generateText-flex': () =>
      generate(models['openai-responses'], '[flex] hello', {
        providerOptions: { openai: { serviceTier: 'flex' } },
      }),
    'anthropic/generateText-long': () => generate(models.anthropic, '[long] summarise this'),
    'anthropic/generateText-1h': () => generate(models.anthropic, '[1h] hello'),
    'openai-chat/generateObject': () =>
      ai.generateObject({
        model: models['openai-chat'],
        prompt: 'Weather of Paris as JSON',
        schema: z.object({ city: z.string(), temperature: z.number() }),
        ...telemetry('object'),
      }),
    'openai/embed': () => ai.embed({ model: embedding, value: 'a text', ...telemetry('embed') }),
  };
  for (const [name, model] of Object.entries(models)) {
    for (const [kind, run] of Object.entries(withEveryModel)) {
      scenarios[`${name}/${kind}`] = (response) => run(model, response);
    }
  }

  const server = await startServer({
    'POST /api/chat': (incoming, response) => scenarios[incoming.query.scenario](response),
  });
  for (const scenario of Object.keys(scenarios).sort()) {
    const leaveAfterMs = scenario.endsWith('client-left') ? 120 : undefined;
    const route = `POST /api/chat?scenario=${encodeURIComponent(scenario)}`;
    const user = scenario.startsWith('anthropic') ? 'user_7' : 'user_42';
    const answer = await request(server, route, { leaveAfterMs, user });
    console.log(version, scenario, answer.status, JSON.stringify(answer.text.slice(0, 60)));
  }
  await finish(server, sdk, 2500);
}

main();
