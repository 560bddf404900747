"""Sphinx's settings of the book. Its pages are gathered by scripts/book.py, which `make book` runs."""

project = "minisnn"
author = "The minisnn authors"
copyright = author  # noqa: A001 - Sphinx's name
root_doc = "index"
extensions = [
    "myst_nb",
    "sphinx-mathjax-offline",
]  # the second brings MathJax and its fonts: nothing from a CDN
exclude_patterns = ["files"]  # code and data that pages include or offer
nitpicky = True

# Notebooks are shown with the outputs that `make chapters` gave them; nothing is executed twice.
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Show the code"  # of cells with the tag hide-input
nb_code_prompt_hide = "Hide the code"
nb_ipywidgets_js: dict[
    str, dict[str, str]
] = {}  # would come from a CDN; a static picture stands beside each widget
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_fence_as_directive = ["math"]  # ```math, as git hosts write it
myst_url_schemes = {
    **dict.fromkeys(("http", "https", "mailto")),
    "line": "{{path}}#{{fragment}}",  # of code
    "launch": "{{path}}?{{query}}",  # a page of the site that opens a notebook
}
myst_heading_anchors = 6
myst_dmath_double_inline = True

html_theme = "sphinx_book_theme"
html_title = "minisnn"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "use_download_button": False,  # each chapter links to its exercises
    "show_toc_level": 2,
    "show_navbar_depth": 1,
    "home_page_in_toc": True,
    "navbar_persistent": [],  # the search stands in the sidebar
}
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
mathjax3_config = {"tex": {"tags": "none"}, "options": {"enableMenu": False}}
