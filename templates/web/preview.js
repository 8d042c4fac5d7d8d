// Renews the page when a file of the workspace changes. Everything else in the preview is links and forms.
(() => {
  const live = document.getElementById("live");
  const say = (text, state) => {
    live.textContent = text;
    live.className = `live ${state}`;
  };
  const stream = new EventSource(document.currentScript.dataset.changes);
  stream.addEventListener("open", () => say("Follows your files", "on"));
  stream.addEventListener("changed", () => {
    say("A file changed, reading it …", "on");
    location.reload(); // keeps the place on the page
  });
  stream.addEventListener("error", () =>
    stream.readyState === EventSource.CLOSED ? say("The preview was stopped", "off") : say("Reconnecting …", "off"));
  // A stream that outlives its page would hold one of the browser's six connections.
  addEventListener("pagehide", () => stream.close());
})();
