"""The prose check: a few rules of plain English over docstrings, comments and Markdown.

1. The docstring of a function begins with a verb in the imperative, one of `verbs.txt`. Properties,
   fixtures and tests are exempt: a property is named like a thing, and a test's name states behaviour.
2. The docstring of a module, class or attribute says what the thing is: it begins with a noun, and not
   with a clause (`What is ...`, `Whether ...`, `Who may ...`).
3. No sentence begins with `Who`, `Whose`, `Whom`, `What` or `Whatever`, unless it is a question.
4. No `whoever` and no `nobody` anywhere: name the subject.
5. No `who` without a noun before it, as in `of who asked` or `so who signs`.
6. No `for` behind a comma in the sense of `because`.

Code between backticks is not read. The rules were chosen to be right nearly always where they object; they
find a part of what is wrong.
"""
