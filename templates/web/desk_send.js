// Renews the progress of a send every two seconds while it runs. Without script, a link reloads the page.
(() => {
  const renew = async () => {
    const old = document.getElementById("progress");
    if (!old || !old.dataset.running) return;
    try {
      const answer = await fetch(location.pathname, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = page.getElementById("progress");
      if (!answer.ok || !next) return location.reload(); // signed out, or it is another page by now
      if (!next.dataset.running) return location.reload(); // the buttons change, too
      old.replaceWith(next);
    } catch {
      // the server is away for a moment
    }
    setTimeout(renew, 2000);
  };
  setTimeout(renew, 2000);
})();
