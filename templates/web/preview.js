// Renews the page when a file of the workspace changes. Everything else in the preview is links and forms.
(() => {
  const live = document.getElementById("live");
  const said = live.dataset; // in the language of the page
  const say = (text, state) => {
    live.textContent = text;
    live.className = `live ${state}`;
  };
  const stream = new EventSource(document.currentScript.dataset.changes);
  stream.addEventListener("open", () => say(said.follows, "on"));
  stream.addEventListener("changed", () => {
    say(said.changed, "on");
    location.reload(); // keeps the place on the page
  });
  stream.addEventListener("error", () =>
    stream.readyState === EventSource.CLOSED ? say(said.stopped, "off") : say(said.again, "off"));
  // A stream that outlives its page would hold one of the browser's six connections.
  addEventListener("pagehide", () => stream.close());
})();
