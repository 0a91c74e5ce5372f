/* Select2, which the admin uses for its searchable selects, gives its comboboxes no name: they get their field's label.
   The values of a list get their column's, for narrow screens; the search field, which has a picture alone, gets words. */
"use strict";

function nameComboboxes() {
  for (const combobox of document.querySelectorAll('.select2-selection[role="combobox"]')) {
    const select = combobox.closest(".select2")?.previousElementSibling;
    const label = select?.labels?.[0]?.textContent.trim();
    if (label) {
      combobox.removeAttribute("aria-labelledby");
      combobox.setAttribute("aria-label", label);
      combobox.querySelector('[role="textbox"]')?.setAttribute("aria-label", label);
    }
  }
  for (const field of document.querySelectorAll(".select2-selection--multiple .select2-search__field")) {
    const label = field.closest(".select2")?.previousElementSibling?.labels?.[0]?.textContent.trim();
    if (label) {
      field.setAttribute("aria-label", label);
    }
  }
}

function nameValues() {
  const labels = [...document.querySelectorAll("#result_list thead th")].map((head) => head.querySelector(".text")?.textContent.trim());
  for (const row of document.querySelectorAll("#result_list tbody tr")) {
    [...row.cells].forEach((cell, at) => {
      if (labels[at] && !cell.classList.contains("action-checkbox")) {
        cell.dataset.label = labels[at];
      }
    });
  }
  document.querySelector("#searchbar")?.setAttribute("aria-label", "Search");
}

// A line of a mapping that was opened or closed where it stands: its button is gone, so the keyboard goes on from the line.
document.addEventListener("htmx:load", (event) => {
  if (event.target.matches(".line-form, .mapping li.line")) {
    event.target.closest("li.line")?.focus();
  }
});
window.addEventListener("load", nameValues);
window.addEventListener("load", nameComboboxes);
document.addEventListener("formset:added", () => setTimeout(nameComboboxes));
