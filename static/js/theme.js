// Loaded in the head, before the first paint: a chosen theme never flashes in the wrong colours.
const KEY = "citedesk-theme";
const root = document.documentElement;

function stored() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is forbidden: the preference of the system holds
  }
}

function dark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

if (["light", "dark"].includes(stored())) root.dataset.theme = stored();

addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.hidden = false;
    button.setAttribute("aria-pressed", String(dark()));
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      button.setAttribute("aria-pressed", String(dark()));
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // the choice lasts for this page
      }
    });
  }
});
