// Server-sent events over fetch, because EventSource cannot POST. Gives each event to `each`;
// true when the stream came to its own end (`final` or `error`).
export async function follow(address, token, signal, each) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "X-CSRFToken": token, Accept: "text/event-stream", "Content-Type": "application/json" },
    body: "{}",
    signal,
  });
  if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  let ended = false;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return ended;
    held += value;
    const blocks = held.split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data:"));
      if (!data) continue;
      const event = JSON.parse(data.slice(5));
      ended ||= event.type === "final" || event.type === "error";
      each(event);
    }
  }
}
