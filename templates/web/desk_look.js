// Shows the look as it is typed, 300 ms after the last key. Without it, the button "Show" does.
(() => {
  const form = document.getElementById("look");
  let timer = 0;
  let asked = 0;
  const show = async () => {
    const mine = ++asked;
    const data = new FormData(form);
    for (const field of form.querySelectorAll("input[type=file]")) data.delete(field.name);
    const answer = await fetch(form.dataset.try, { method: "POST", body: data, credentials: "same-origin" }).catch(() => null);
    if (!answer || !answer.ok || mine !== asked) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("shown");
    if (found) document.getElementById("shown").replaceWith(document.adoptNode(found));
  };
  form.addEventListener("input", (event) => {
    if (event.target.type === "file") return;
    if (event.target.type === "color") event.target.nextElementSibling.textContent = event.target.value;
    clearTimeout(timer);
    timer = setTimeout(show, 300);
  });
})();
