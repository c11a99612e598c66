// The search box: drop or paste a picture; answers with a problem are shown like any other.
"use strict";
const form = document.getElementById("search-form");
const input = form.querySelector("input[type=file]");
const take = (files) => {
  if (!files || !files.length) return;
  input.files = files;
  htmx.trigger(form, "submit");
};
form.addEventListener("dragover", (event) => event.preventDefault());
form.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files);
});
document.addEventListener("paste", (event) => take(event.clipboardData.files));
// a 4xx answer is a message for the person, so it is shown as well
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.status >= 400 && event.detail.xhr.status < 500) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
