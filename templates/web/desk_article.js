// The article editor: a preview while typing, unsaved text kept on the server, paste and pictures. All of it is optional.
(() => {
  const form = document.getElementById("article");
  const body = document.getElementById("body");
  const show = document.getElementById("show");
  const kept = document.getElementById("kept");
  const tools = form.dataset.tools;
  const post = (name, data) => fetch(`${tools}/${name}`, { method: "POST", body: data, credentials: "same-origin" });
  let changed = false, timer = 0, saving = false;

  const fields = () => {
    const data = new FormData(form);
    data.delete("upload"); // a picture goes when it is chosen
    return data;
  };
  const preview = () => form.requestSubmit(show);
  const keep = async () => {
    if (!changed) return;
    changed = false;
    try {
      const answer = await post("keep", fields());
      if (!answer.ok) throw new Error(answer.status);
      kept.textContent = form.dataset.kept.replace("{time}", (await answer.json()).kept);
      kept.className = "hint";
    } catch {
      changed = true;
      kept.textContent = form.dataset.lost;
      kept.className = "fault";
    }
  };
  form.addEventListener("input", () => {
    changed = true;
    clearTimeout(timer);
    timer = setTimeout(preview, 400);
  });
  document.querySelectorAll("input[name=scheme]").forEach((one) => one.addEventListener("change", preview));
  setInterval(keep, 3000);
  form.addEventListener("submit", (event) => { saving = event.submitter !== show; });
  addEventListener("beforeunload", (event) => { if (changed && !saving) event.preventDefault(); });

  // Toolbar.
  const insert = (text, from = body.selectionStart, to = body.selectionEnd) => {
    body.focus();
    body.setSelectionRange(from, to);
    if (!document.execCommand("insertText", false, text)) body.setRangeText(text, from, to, "end"); // the first can be undone
    body.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const bar = document.querySelector(".toolbar");
  bar.hidden = false;
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { selectionStart: from, selectionEnd: to, value } = body;
    const chosen = value.slice(from, to);
    if (button.dataset.wrap) {
      insert(`${button.dataset.wrap}${chosen}${button.dataset.wrap}`);
      if (!chosen) body.setSelectionRange(from + button.dataset.wrap.length, from + button.dataset.wrap.length);
    } else if (button.dataset.link) {
      const address = addressOf(prompt(button.dataset.link, chosen.startsWith("http") ? chosen : "https://"));
      if (address) insert(`[${chosen || address.replace(/^(https?:\/\/|mailto:)/, "")}](${address})`, from, to);
    }
    else {
      const start = value.lastIndexOf("\n", from - 1) + 1;
      insert(value.slice(start, to).split("\n").map((line) => button.dataset.line + line).join("\n"), start, to);
    }
  });

  const addressOf = (typed) => {
    const text = (typed || "").trim().replace(/[()\s<>]/g, encodeURIComponent).replace(/\(/g, "%28").replace(/\)/g, "%29");
    if (!text || /^https?:\/\/$/.test(text)) return "";
    if (/^[a-z]+:/i.test(text)) return text;
    return (text.includes("@") ? "mailto:" : "https://") + text;
  };

  // Paste and pictures.
  const refuse = (text) => { kept.textContent = text; kept.className = "fault"; };
  const token = () => form.elements.form.value;
  body.addEventListener("paste", async (event) => {
    const files = [...event.clipboardData.files].filter((one) => one.type.startsWith("image/"));
    const html = event.clipboardData.getData("text/html");
    const plain = event.clipboardData.getData("text/plain");
    if (html) {
      event.preventDefault();
      const data = new FormData();
      data.set("form", token());
      data.set("html", html);
      try {
        const answer = await post("paste", data);
        const found = await answer.json();
        if (!answer.ok) return refuse(`${found.problem} ${found.hint}`);
        insert(found.markdown || plain);
        if (found.lost) refuse(form.dataset.pictures.replace("{count}", found.lost));
      } catch {
        insert(plain);
      }
    } else if (files.length) {
      event.preventDefault();
      upload(files);
    }
  });
  const upload = async (files) => {
    for (const file of files) {
      const data = new FormData();
      data.set("form", token());
      data.set("upload", file, file.name);
      try {
        const answer = await post("upload", data);
        const found = await answer.json();
        if (!answer.ok) refuse(`${found.problem} ${found.hint}`);
        else for (const path of found.paths) {
          const shows = (prompt(form.dataset.shows) || "").replace(/[[\]\n]/g, " ").trim();
          const end = body.value.indexOf("\n", body.selectionEnd); // after the paragraph, not within it
          insert(`\n\n![${shows}](${path})\n`, end < 0 ? body.value.length : end, end < 0 ? body.value.length : end);
        }
      } catch {
        refuse(form.dataset.lost);
      }
    }
  };
  document.querySelector("[data-picture]").addEventListener("change", (event) => { upload([...event.target.files]); event.target.value = ""; });
  body.addEventListener("dragover", (event) => { if (event.dataTransfer.types.includes("Files")) event.preventDefault(); });
  body.addEventListener("drop", (event) => {
    if (!event.dataTransfer.files.length) return;
    event.preventDefault();
    upload([...event.dataTransfer.files]);
  });
  preview();
})();
