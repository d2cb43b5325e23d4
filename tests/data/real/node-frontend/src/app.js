// The only thing the page does.
import { greeting } from "./greeting.js";

document.querySelector("#app").textContent = greeting("layers");
