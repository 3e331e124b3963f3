## What stands around every page.
desk-subject = My records
frame-language = Language
frame-skip = Skip to main content
frame-nav = Menu
frame-logout = Log out
frame-wrong = Problem:
frame-problem = There is a problem
frame-warning = Warning
frame-development = Development login.
frame-development-what = Whoever can open this page can be anybody on it. It works on this machine only and is for trying out.
frame-acting = Acting for
frame-acting-over = Mandate ended
frame-acting-stop = Stop acting
frame-printed = Printed { $time }
frame-footer = Tacit answers one question at a time: is this code on that list, for this lawful purpose? Every question is in a tamper-evident log before it is answered.

nav-home = Home
nav-lists = Lists
nav-consents = My consents
nav-asked = Who asked about me
nav-acting = Acting for others

state-verified = Verified
state-pending = Not yet verified
state-erased = Erased
state-fails = FAILS

## Logging in and out.
login-title = Log in
login-provider = You log in with your identity provider. Tacit learns who you are from it and keeps no password.
login-who = Who do you want to be?
login-go = Continue
goodbye-title = You are logged out
goodbye-what = Your session has ended on the server. On a shared computer, close the browser too.
goodbye-again = Log in again

## Problems. Each says what happened and what to do.
problem-home = Go to the first page
problem-request = If you ask for help, quote this request:
problem-logged-out = You are not logged in
problem-logged-out-next = Nothing was changed. Log in, then do it again.
problem-forged = This form cannot be accepted
problem-forged-next = It is too old, or it was not sent from this site. Nothing was changed. Open the page again and send the form once more.
problem-not-allowed = You cannot use this page
problem-not-allowed-next = Your login gives no right to it. If it should, ask whoever gave you the account.
problem-mandate-over = Your mandate has ended
problem-mandate-over-next = You could act for this person or company until the mandate’s last day. The attempt was recorded. Ask them for a new mandate.
problem-mandate-scope = Your mandate does not cover this
problem-mandate-scope-next = It allows other things than this one. The attempt was recorded. Ask for a mandate that covers it.
problem-not-found = There is no such page
problem-not-found-next = The address may be mistyped, or what it named is not about you.
problem-method = This address does not take that
problem-method-next = Open the page again and use its forms.
problem-form = The form cannot be read
problem-form-next = It may be too large. Nothing was changed. Open the page again and send it once more.
problem-login = You could not be logged in
problem-login-next = The identity provider did not confirm who you are, or it took too long. Try again.
problem-limited = Too many requests
problem-limited-next = Nothing was changed. Try again in { $seconds ->
    [one] one second
   *[other] { $seconds } seconds
  }: at { $time }.
problem-trouble = This could not be done now
problem-trouble-next = Nothing was changed. Try again later; if it stays so, ask for help.
problem-internal = Something is wrong on our side
problem-internal-next = Nothing was lost. Try again later; if it stays so, ask for help.

## Kinds of codes.
scheme-cn-uscc = Unified social credit code
scheme-cn-rid = Resident identity number
scheme-lei = Legal entity identifier (LEI)
