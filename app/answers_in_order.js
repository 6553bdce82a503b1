// Lets every event of the page be answered, and in order. Three faults of Gradio's client under load are mended here:
// - Requests of two events may overtake each other. So each is sent when the one before has its response.
// - An answer that arrives before the response to its own request is written at once, and an older one then over it.
//   So answers to an event are held back until the client knows it.
// - The client ends the stream of answers when the server has told that none is left, even if it has sent another event
//   in the meantime; that one's answer then waits for a further event. So the stream goes on while an event is open.
(() => {
  const ACTS = new Set(['click', 'input', 'blur', 'submit', 'marked', 'placed', 'edited', 'chosen']);
  const send = window.fetch;
  const open = new Set(); // events that the client knows, without an answer so far
  let underWay = 0; // requests without a response
  let last = Promise.resolve(); // ends with the response to the last request
  let waiting = [];
  let actsWaiting = 0; // events that the reader raised, to be sent when the request before has its response

  // Gradio's client sends nothing any more after such a failure
  const lose = (error) => {
    if (error.name !== 'AbortError') window.connectionLost();
    throw error;
  };
  const connected = (input, init) => send(input, init).catch(lose);

  // whether an event is raised by the reader, not by the page itself
  const isAct = (number) => window.gradio_config.dependencies
    .find(({ id }) => id === number)?.targets.some(([, event]) => ACTS.has(event)) || false;

  const request = async (input, init) => {
    const { data, fn_index: number } = JSON.parse(init.body);
    const act = isAct(number);
    underWay += 1;
    const before = last;
    let ended;
    last = new Promise((done) => { ended = done; });
    let event = null;
    const taken = window.sentWith(data);
    actsWaiting += act;
    try {
      await before.finally(() => { actsWaiting -= act; });
      const response = await connected(input, init);
      if (response.ok) taken();
      if (response.status === 401) window.loginEnded();
      const text = await response.text();
      const whole = new Response(text, response);
      whole.json = async () => JSON.parse(text); // at once: the client knows the event before the next timer
      if (response.ok) event = JSON.parse(text).event_id;
      return whole;
    } finally {
      ended();
      setTimeout(() => {
        underWay -= 1;
        if (event) open.add(event);
        for (const go of waiting) go();
        waiting = [];
      });
    }
  };

  const known = async (event) => {
    while (underWay && !open.has(event)) await new Promise((go) => waiting.push(go));
  };

  // the messages of a response, and null at its end
  const messages = async function* (response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const next = () => reader.read().catch(lose);
    for (let text = '', read = await next(); !read.done; read = await next()) {
      const parts = (text + read.value).split('\n\n');
      text = parts.pop();
      yield* parts;
    }
    yield null;
  };

  const answers = async (input, init) => {
    const response = await connected(input, init);
    if (!response.ok) {
      window.connectionLost();
      return response;
    }
    const encoder = new TextEncoder();
    let source = messages(response);
    const pull = async (controller) => {
      for (;;) {
        const { value } = await source.next();
        if (value === null && (underWay || open.size)) {
          const further = await connected(input, init);
          if (!further.ok) lose(new Error(`The server answers ${further.status}.`));
          source = messages(further);
        } else if (value === null) {
          controller.enqueue(encoder.encode('data: {"msg":"close_stream"}\n\n'));
          controller.close();
          return;
        } else {
          const { msg, event_id, rank, session_not_found: forgotten } = JSON.parse(value.slice(value.indexOf('{')));
          if (forgotten) window.connectionLost();
          if (msg === 'close_stream') continue; // the end of the response follows
          if (event_id) {
            window.queuePlace(event_id, msg === 'estimation' ? rank : 0);
            await known(event_id);
          }
          if (msg === 'process_completed') open.delete(event_id);
          controller.enqueue(encoder.encode(`${value}\n\n`));
          return;
        }
      }
    };
    return new Response(new ReadableStream({ pull }), response);
  };

  window.actsWait = () => actsWaiting > 0;

  window.fetch = (input, init) => {
    const address = String((input && input.url) || input);
    if (/\/queue\/join\b/.test(address)) return request(input, init);
    if (/\/queue\/data\b/.test(address)) return answers(input, init);
    return send(input, init);
  };
})();
