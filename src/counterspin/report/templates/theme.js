// Runs before the page is painted, so that a reader who chose dark never sees a white flash.
"use strict";
try {
  const chosen = localStorage.getItem("counterspin-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be forbidden for local files: the system's preference stays in force.
}
