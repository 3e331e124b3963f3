## First page.
home-title = What is on record about me
home-lead = See who asked about you and why, and what the lists say.
home-login = Log in
home-login-what = You need your identity provider's login. Companies are seen by those who may act for them.
home-asked = Who asked about me
home-asked-what = Every question about you, refused ones too, with the reason and a proof.

## How fresh.
fresh-as-of = Complete up to { $time }.
fresh-next = The log is read next at about { $time }, for all people together, so that nobody can tell from the reading who is logged in.
fresh-none = The log was not read for you yet. What is on record will show after the first reading.
fresh-waiting = Not read yet for: { $members }.
fresh-finding = What the log says does not agree with itself: { $finding }. This page may be incomplete; the auditors are told.

## Who asked about me.
asked-title = Who asked about me
asked-filter = Show a period
asked-from = From
asked-until = To
asked-show = Show
asked-clear = Clear
asked-period-wrong = Enter the days as year, month and day, for example 2026-11-21
asked-none = Nobody asked about you so far.
asked-none-then = Nobody asked about you in this period.
asked-count = { $count ->
    [one] One entry, newest first.
   *[other] { $count } entries, newest first.
  }
asked-when = When
asked-what = What happened
asked-why = Reason or legal basis
asked-record = Record
asked-number = No. { $index }
asked-refused = Refused
asked-pages = Pages
asked-page = Page { $number } of { $pages }
asked-before = Newer
asked-after = Older
asked-export = Take all of it away as
asked-limits = An entry says that somebody was permitted to ask, or was refused. What the answer was is not in the log.

outcome-permitted = { $agency } checked whether you are on: { $lists }. Purpose: { $purpose }.
outcome-refused = { $agency } wanted to check whether you are on: { $lists }. It was refused and learned nothing. Purpose: { $purpose }.
outcome-erased = Details of earlier records were erased.
outcome-letter-to-person = { $agency } wrote you a letter.
outcome-letter-to-member = A letter was sent for you to { $agency }.
outcome-measure-registered = { $agency } took a measure after an answer about you.
outcome-measure-lifted = { $agency } lifted a measure.
outcome-consent-given = You allowed { $agency } to ask about you.
outcome-consent-renewed = You confirmed that { $agency } may ask about you.
outcome-consent-paused = You paused the consent for { $agency }.
outcome-consent-withdrawn = You took back the consent for { $agency }.
outcome-consent-requested = { $agency } asked for your consent.
outcome-consent-refused = You refused the consent that { $agency } asked for.
outcome-consent-expired = The consent for { $agency } ended.

## One entry.
entry-title = One entry
entry-back = Who asked about me
entry-when = Recorded
entry-who = Who
entry-lists = Lists
entry-purpose = Purpose
entry-law = Legal basis
entry-refused = Why it was refused
entry-restrictions = What it may do with the answer
entry-note = Note
entry-learned = If you were listed, it also learned the category, the dates and whether you object. If you were not, it learned only that.
entry-proof = Proof
entry-verified = This entry is no. { $index } of the public log. Its place was recomputed from the log's signed tree when it was read.
entry-checkpoint = The signed tree head that it was proven under
entry-download = Download the entry with its whole proof (JSON)
entry-record = Record

## Acting for others.
acting-title = Acting for others
acting-what = A company or a child is seen by whoever has a mandate. It covers what it says, until its last day.
acting-none = You have no mandate.
acting-scopes = You may: { $scopes }.
acting-until = Until { $time }.
acting-over = Ended { $time }.
acting-begin = Act for { $name }
acting-clerk = Help a person at the counter
acting-clerk-what = Do only what the person in front of you asks for. That you helped, and why, is recorded under your account.
acting-clerk-wrong = Fill in all four fields
acting-clerk-scheme = Kind of document
acting-clerk-code = Number on the document
acting-clerk-name = Name on the document
acting-clerk-why = What the person asks for
acting-clerk-begin = Begin
scope-read = see what is on record
scope-check = ask lists
scope-consent = give and take back consent
scope-object = object and appeal
