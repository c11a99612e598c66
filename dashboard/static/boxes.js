// Places every .box by its data-x, -y, -w, -h (0..1 of the picture), now and in whatever htmx brings later.
"use strict";
const place = (root) => {
  for (const box of root.querySelectorAll(".box[data-x]")) {
    const { x, y, w, h } = box.dataset;
    box.style.left = `${x * 100}%`;
    box.style.top = `${y * 100}%`;
    box.style.width = `${w * 100}%`;
    box.style.height = `${h * 100}%`;
    // A name that begins near the right edge would widen a phone's page.
    box.classList.toggle("right", Number(x) + w / 2 > 0.6);
  }
};
document.addEventListener("DOMContentLoaded", () => place(document));
document.addEventListener("htmx:afterSwap", (event) => place(event.target));
