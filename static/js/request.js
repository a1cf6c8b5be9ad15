// A customer's request: citations show their quotes and open the article beside the text.
import { close, hide } from "./quotes.js";

addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector(":popover-open")) return;
  hide();
  close();
});
