// A form with data-live shows its view while it is changed: the address it would lead to is fetched and
// its part #view, title and heading take the place of what is there. Without this script it is a form.
const form = document.querySelector("form[data-live]");
let asked = 0;

async function show() {
  const clock = form.querySelector("output"), hour = form.elements.hour;
  if (clock && hour) clock.textContent = hour.value.padStart(2, "0") + ":00";
  const address = new URL(form.action || location.href);
  const sort = new URLSearchParams(location.search).get("sort");
  address.search = new URLSearchParams(new FormData(form));
  if (sort) address.searchParams.set("sort", sort);
  const mine = ++asked;
  const answer = await fetch(address);
  if (!answer.ok) return location.assign(address);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (mine !== asked) return;
  for (const part of ["#view", "h1", "footer"]) document.querySelector(part).replaceWith(page.querySelector(part));
  document.title = page.title;
  history.replaceState(null, "", address);
}

if (form) {
  form.querySelector("button").hidden = true;
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => { event.preventDefault(); show(); });
}
