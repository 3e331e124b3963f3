## First page.
home-title = What is on record about me
home-lead = See who asked about you and why, and what the lists say.
home-login = Log in
home-login-what = You need your identity provider’s login. Companies are seen by those who may act for them.
home-lists = Am I on a list?
home-lists-what = Ask each list yourself, and read what being listed means, how to leave it, and whom to challenge.
home-consents-what = Who may ask with your consent, what waits for your decision, and how to take consent back.
home-asked = Who asked about me
home-asked-what = Every question about you, refused ones too, with its legal basis or the reason, and a proof.

## How fresh.
fresh-as-of = Complete up to { $time }.
fresh-next = The log is read next at about { $time }, for all people together, so that nobody can tell from the reading who is logged in.
fresh-none = The log was not read for you yet. What is on record will show after the first reading.
fresh-waiting = Not read yet for: { $members }.
fresh-finding = What the log says does not agree with itself: { $finding }. This page may be incomplete; the auditors are told.

## Who asked about me.
asked-title = Who asked about me
asked-filter = Filter
asked-agency = Agency
asked-purpose = Purpose
asked-any = All
asked-from = From
asked-until = To
asked-show = Show
asked-clear = Clear
asked-period-wrong = Enter the days as year, month and day, for example 2026-11-21
asked-none = Nobody asked about you so far.
asked-none-between = Nobody asked about you between { $from } and { $until }.
asked-none-since = Nobody asked about you from { $from } on.
asked-none-until = Nobody asked about you up to { $until }.
asked-none-chosen = This looks only at the agency and the purpose that you chose.
asked-back = What is on record about you goes back to { $time }.
asked-none-such = Nothing of this kind is on record about you.
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
asked-export = Download all of it as
asked-limits = An entry about a question says that it was permitted or refused. What the answer was is not in the log.

outcome-permitted = { $agency } checked whether you are on: { $lists }. Purpose: { $purpose }.
outcome-refused = { $agency } wanted to check whether you are on: { $lists }. It was refused and learned nothing. Purpose: { $purpose }.
outcome-permitted-own = You asked whether you are on: { $lists }.
outcome-refused-own = You wanted to ask whether you are on: { $lists }. It was refused.
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
entry-may-use = { $count ->
    [one] Use it for the stated purpose alone, and ask about you once a day at most.
   *[other] Use it for the stated purpose alone, and ask about you { $count } times a day at most.
  }
entry-may-use-consent = All of it only with your consent.
entry-note = Note
note-refused = The agency heard the reason only. Nothing about you was answered.
note-consent-withdrawn = From this record on no check under the consent can follow. Answers given before stay with whoever got them, permits that were out ended within 60 seconds, and earlier checks stay in the log.
note-letter-to-person = The letter cannot be read here: it is sealed to others, was altered, or is not signed by its sender. Ask the sender.
note-erased = What opened the records before this one was destroyed. They stay in the log and say nothing of whom; what they said is not known here any more.
entry-learned = If you were listed, it also learned the category, the dates and whether you object. If you were not, it learned only that.
entry-proof = Proof
entry-verified = This entry is no. { $index } of the log. Its place was recomputed from the log’s signed tree when it was read.
entry-checkpoint = The signed tree head that it was proven under
entry-download = Download the entry with its whole proof (JSON)
entry-record = Record

## Acting for others.
acting-title = Acting for others
acting-what = The records of a company or a child are seen by whoever has a mandate. It covers what it names, until its last day.
acting-none = You have no mandate.
acting-scopes = You may: { $scopes }.
acting-until = Until { $time }.
acting-over = Ended { $time }.
acting-begin = Act for { $name }
acting-clerk = Help a person at the counter
acting-clerk-what = Do only what the person in front of you asks for. That you helped, and why, is recorded under your account.
acting-clerk-scheme = Kind of number
acting-clerk-code = Number on the document
acting-clerk-name = Name on the document
acting-clerk-why = What the person asks for
acting-clerk-begin = Begin
acting-clerk-choose = Choose the kind of number
acting-clerk-code-missing = Enter the number on the document
acting-clerk-name-missing = Enter the name on the document
acting-clerk-why-missing = Enter what the person asks for
scope-read = see what is on record
scope-check = ask lists
scope-consent = give and take back consent
scope-object = object and appeal

## Lists.
lists-title = Lists
lists-lead = Am I on a list? Each list is asked by itself and answers for itself. Nothing is added up.
lists-none = No list has codes of your kind.
lists-check-all = Ask all lists below about me
lists-recorded = Your question is on record like everybody’s, and only you see that it was yours.
lists-own = Lists that may name you
lists-list = List
lists-holder = Kept by
lists-means = What being listed means
lists-others = Lists of other kinds of codes
list-check = Ask this list about me
list-notice = Notice before listing
list-notice-days = { $days ->
    [0] None; it may take effect on the day on which you are told
    [one] At least one day before it takes effect
   *[other] At least { $days } days before it takes effect
  }
list-retention = Longest time on it
list-retention-days = { $days } days
list-leave = How one leaves it
list-leave-favorable = By taking back the consent to stand on it, at any time.
list-object = Where to object
list-decide = A decision follows within { $days } days.
list-appeal = Against it one can appeal within { $days } days to: { $body }.
list-measures = What an answer may lead to
list-measures-decided = An answer is not a decision. Whoever takes one of these measures decides it, says so, and can be challenged.
removal-fulfilled = The duty was fulfilled
removal-expired = Its time is over
removal-annulled = The decision was annulled
removal-corrected = It was listed by mistake
answers-title = What the lists say
answers-listed = On the list “{ $list }” as of { $time }
answers-not-listed = Not on the list “{ $list }” as of { $time }
answers-none = No answer from the list “{ $list }”
answers-others = This says nothing about other lists.
answers-since = Listed since
answers-until = Until
answers-no-end = Without a stated end
answers-reference = Reference, for a written objection
answers-how-to-leave = What it means, and how to leave it
answers-logged = These answers are shown once and are not kept here. Your questions show among who asked about you after the next reading of the log.

## Consents.
consents-title = My consents
consents-requests = Requests waiting for you
consents-request = { $agency } asks for your consent
consents-decide-by = Decide by { $time }. Without your decision nothing is allowed.
consents-read = Read the request of { $agency } and decide
consents-standing = Who may ask with my consent
consents-none = Nobody may ask with your consent.
consents-others = Not in force
consents-until = Until
consents-state = State
consent-title = A consent
consent-for = Consent for { $agency }
consent-uses = Questions asked under it
consent-events = What happened
consent-receipt = Download the receipt (JSON-LD)
consent-event = { $time }: { $state }, { $number }
consent-state-given = In force
consent-state-renewed = In force, confirmed again
consent-state-resumed = In force again
consent-state-paused = Paused
consent-state-withdrawn = Withdrawn
consent-state-expired = Ended
consent-state-refused = Refused
consent-state-requested = Asked for
consent-state-unconfirmed = Sent, not confirmed yet
change-withdraw = Withdraw this consent
change-pause = Pause
change-resume = Lift the pause
change-allow = Allow what I ticked
change-refuse = Refuse all of it
terms-who = Who may ask
terms-when = When
terms-from-until = { $from } to { $until }
terms-often = How often at most
often-hour = { $count ->
    [one] once an hour
   *[other] { $count } times an hour
 }
often-day = { $count ->
    [one] once a day
   *[other] { $count } times a day
 }
often-week = { $count ->
    [one] once a week
   *[other] { $count } times a week
 }
often-month = { $count ->
    [one] once a month
   *[other] { $count } times a month
 }
often-year = { $count ->
    [one] once a year
   *[other] { $count } times a year
 }
withdraw-title = Withdraw this consent?
withdraw-what = Once you withdraw it, no new question is permitted. Answers already given stay with whoever got them, and permits of the last 60 seconds may still be used.
withdraw-back = The consent
withdraw-not = Keep it
changed-title = Your consent
changed-given = Your consent is in force
changed-renewed = Your consent is in force, confirmed again
changed-resumed = Your consent is in force again
changed-paused = Your consent is paused
changed-withdrawn = Your consent is withdrawn
changed-refused = You refused the request
changed-unconfirmed = Sent, not confirmed yet
changed-stays = Answers already given stay with whoever got them. Permits of the last 60 seconds may still be used.
request-title = A request for consent
request-notice = { $agency } asks to be allowed to check whether you are on: { $lists }. Purposes: { $purposes }. From { $from } to { $until }, at most { $frequency }. If you are listed, it also learns the category, the dates and whether you object. You may allow less, or refuse.
request-when = Asked { $time }. You can decide until { $until }.
request-elsewhere = It was asked at another authority, and only there it can be decided.
request-lists = Which lists may be asked?
request-list-missing = Choose at least one list
request-purposes = For which purposes?
request-purpose-missing = Choose at least one purpose
request-days = For how long?
request-days-missing = Choose for how long
request-for-days = { $days } days
request-as-asked = As asked, until { $time }

## Who acted for me.
home-acted-what = What somebody with a mandate, or a clerk at a counter, opened or changed for you here, and what they were refused.
acting-noted = What you open or change for somebody is written down, and they can read it.
acted-title = Who acted for me
acted-what = Everything that somebody with a mandate, or a clerk at a counter, opened or changed for you at this desk, and what they tried but were not allowed to do. If there is something that you did not want, tell the institution that runs this desk, with the reference.
acted-none = Nobody acted for you so far.
acted-when = When
acted-who = Who
acted-did = What
acted-outcome = What came of it
acted-id = Reference
acted-mandate = under a mandate
acted-counter = as a clerk at a counter, because: { $why }
acted-done = Done
acted-begun = Begun; whether it was finished is not known
acted-failed = Not done: { $why }
acted-why-mandate-over = the mandate had ended
acted-why-mandate-scope = the mandate does not cover this
acted-why-not-allowed = the login gives no right to it
did-begin = Begin to act for you
did-stop = Stop acting for you
saw-acted = Read who acted for you
saw-asked = Read who asked about you
saw-asked-csv = Download who asked about you, as CSV
saw-asked-json = Download who asked about you, as JSON
saw-asked-one = Read one entry of who asked about you
saw-asked-one-proof = Download the proof of an entry
saw-lists = Open the lists that can be asked about you
did-lists-check = Ask whether you are on a list
saw-consents = Read your consents
saw-consents-one = Read one consent
saw-consents-one-receipt = Download the receipt of a consent
saw-consents-one-withdraw = Open the page on which a consent is taken back
did-consents-one-withdraw = Take back a consent
did-consents-one-pause = Pause a consent
did-consents-one-resume = Resume a consent
saw-requests-one = Read a request for consent
did-requests-one-allow = Allow a request for consent
did-requests-one-refuse = Refuse a request for consent
