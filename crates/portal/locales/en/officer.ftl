## What stands around the officers' pages.
desk-officer = Check desk
nav-check = One check
nav-checks = My checks
nav-wanted = Requests for consent
nav-measures = Measures
nav-cases = Objections
nav-node = Node
office-title = Check desk
office-lead = Ask one list of another agency about one code, for a purpose that both agencies agreed on.
office-login-what = You need your agency's login. Everything that you ask is recorded under it.
office-check-what = One code, one list, one purpose, one case. You learn what that list says now.
office-checks-what = What you asked, with a receipt for each.
office-measures-what = What was decided on answers, by whom, and what has to be lifted.
office-cases-what = What people object to, and what your agency decides on it, each by its last day.
office-state = State
office-overdue = Overdue
office-further = Further
office-not-done = This was not done

## One check.
check-title = One check
check-what = You ask one list. Its holder does not learn whom you ask about.
check-no-lists = No agreement in force lets this agency ask a list now.
check-code = Code of the company or person
check-code-hint = 18 characters, as on the document
check-code-missing = Enter the code
check-code-position = Character { $position } of the code cannot be right. Compare with the document.
check-code-disagrees = The characters do not agree. Compare with the document.
check-choice = Which list, and for what
check-choice-missing = Choose a list and a purpose
check-holder = Kept by { $holder }.
check-consent = Needs the consent of whom it is about.
check-case = Case number
check-case-hint = As in your agency's files
check-case-missing = Enter a case number
check-recorded = The question is recorded in the log before it is answered, with your account name under seal. The person or company can see that your agency asked.
check-go = Check

## The answer.
result-title = Answer
result-another = Another check
result-on = On the list
result-off = Not on the list
result-as-of = As of { $time }.
result-none = No answer from the list { $list }
result-again = You can ask again from { $time } on.
result-learned-nothing = You learned nothing about this code. It says nothing for or against anybody.
result-category = Category
result-status = Status
result-listed-on = Listed on
result-expires-on = No longer counts from
result-reference = Holder's reference
result-contested = The person objects to this listing; that is not decided yet.
result-other-lists = This says nothing about other lists.
result-no-decision = An answer is not a decision. Hear the person before you decide anything.
result-typed = Code as typed
result-read = Code as read
result-changes = Changed: { $changes }.
result-usable = May be used until
result-then = After that, ask again.
result-objections = Objections go to
result-measures = Measures allowed
result-measures-what = The agreement allows these and no others. Choosing one decides nothing yet.
result-no-measures = Under this agreement no measure may rest on this answer.
result-receipt = Download the receipt
result-receipt-what = A receipt shows whom you asked about and the answer. It is for that person, a court or an auditor, and for nobody else.
read-full-width = full-width characters were made plain
read-upper-cased = small letters were made capitals
read-spaces-removed = spaces were left out
read-hyphens-removed = hyphens were left out
read-upgraded15 = the number of 15 digits was brought to 18

## Consent.
ask-title = Ask for consent
ask-what = The person or company decides, at the authority where they look at their records. Nothing may be asked before.
ask-days = For how many days
ask-days-hint = No longer than the case needs
ask-days-wrong = Enter a number of days, from 1 to 3660
ask-times = How many checks at most
ask-times-hint = In each day, week, month or year
ask-times-wrong = Enter how many checks at most, as a number
ask-unit = In each
ask-go = Ask for consent
unit-hour = hour
unit-day = day
unit-week = week
unit-month = month
unit-year = year
wanted-all-title = Requests for consent
wanted-all-what = Your agency's requests and what became of them. It does not say here whom they are about.
wanted-all-none = Your agency has not asked anybody for consent.
wanted-all-count = { $count } { $count ->
    [one] request
   *[other] requests
 }, newest first.
wanted-all-asked = Asked on
wanted-title = A request for consent
wanted-look-again = Look again
wanted-ask-now = Ask the list now
wanted-given = What was allowed
wanted-wanted = What was asked for
wanted-ends = Until
wanted-often = How often at most
wanted-uses = Checks made under it
wanted-stands-until = To be decided by
wanted-decided = Decided on
wanted-state-requested = It waits for the decision of the person or company.
wanted-state-given = Consent is given. You can ask the list.
wanted-state-refused = Consent was refused. Respect that.
wanted-state-paused = The consent is paused. Nothing may be asked now.
wanted-state-resumed = The consent stands again after a pause. You can ask the list.
wanted-state-renewed = The consent was renewed. You can ask the list.
wanted-state-withdrawn = The consent was withdrawn. Nothing may be asked under it any more.
wanted-state-expired = It has ended. Nothing may be asked under it.

## Many checks from a file.
nav-batch = Batch
office-batch-what = A file with many codes. You see what it costs before anything is asked.
batch-title = Many checks from a file
batch-what = You ask one list about each code of a file. Its holder does not learn whom you ask about.
batch-case-hint = For all rows; a column named “case” may give a row its own
batch-file = File
batch-file-hint = CSV in UTF-8 or Excel (.xlsx), at most { $rows } rows and 1 MB. The first row has the names of the columns; one is named “code”.
batch-nothing-yet = Nothing is asked yet. First you see what it costs and which rows cannot be asked.
batch-kept = The file and its answers are kept in the memory of this desk only, one batch at a time, until you discard it, log out or your session ends. Take away what you need before.
batch-upload = Upload
batch-full = This desk keeps no more batches now. Try again later.
batch-file-missing = Choose a file
batch-file-empty = The file has no rows. Choose another one.
batch-file-large = The file is too large. Split it, at most 1 MB each.
batch-file-many = The file has too many rows. Split it, at most 5000 rows each.
batch-file-old = This is an old Excel file, or one with a password. Save it as .xlsx without a password.
batch-file-workbook = The Excel file cannot be read. Save it again as .xlsx, or as CSV in UTF-8.
batch-file-sheets = More than one sheet of the file has something in it. Keep one.
batch-file-encoding = This is neither an Excel file nor CSV in UTF-8. Save it as “CSV UTF-8” or as .xlsx.
batch-file-no-code = No column is named “code”. Name the column with the codes so in the first row.
batch-file-twice = Two columns have the same name “code” or “case”. Keep one of each.
batch-row-code-missing = There is no code. Enter it, or remove the row.
batch-row-code-long = The code is too long. Compare with the document.
batch-row-code-number = The cell is not text, so digits may be lost. Format the column as text and enter the code again.
batch-row-case-long = The case number is too long. Shorten it.
batch-row-case-number = The case number cannot be read. Enter it as plain text.
batch-row-waits = No answer yet.
batch-row-unknown = It ended before an answer came. It may be on record: look under “My checks”, or ask again.
batch-row-not-asked = It ended before this was asked. Ask again.
batch-plan-title = Before it starts
batch-running-title = The batch is running
batch-results-title = Answers of the batch
batch-list = List
batch-rows = Rows of the file
batch-asked = Will be asked
batch-not-asked = Will not be asked
batch-new = Asked about for the first time
batch-cost = What it costs
batch-agreement = Agreement
batch-checks = Checks
batch-of-day = { $count } of { $limit } that the agreement allows a day
batch-a-minute = At most { $limit } a minute; the batch waits for the next minute by itself.
batch-consent = Consent
batch-consent-what = Each person or company has to have consented. Without it a row is refused.
batch-no-agreement = No agreement in force covers this. All rows would be refused.
batch-beyond = This is more than the agreement allows in a day. What goes beyond it is refused; ask it on another day.
batch-used-elsewhere = What your agency has asked today counts too.
batch-start = Ask now: { $count }
batch-nothing-to-ask = No row can be asked. Mend the file and upload it again.
batch-wrong-rows = Rows that will not be asked
batch-what-is-wrong = What is wrong
batch-progress = { $done } of { $all } rows have an answer or a refusal.
batch-leave = You may leave this page and come back.
batch-stop = Stop
batch-stop-what = No further row is asked then. What was asked already stays on record.
batch-stopped = You stopped it.
batch-early = It ended before its end.
batch-export = Take all rows away as
batch-show = Show rows by answer
batch-all = All rows ({ $count })
batch-kind-listed = On the list
batch-kind-not-listed = Not on the list
batch-kind-refused = Refused
batch-kind-wrong = Not asked: the row is wrong
batch-kind-waits = No answer
batch-answers = Row by row
batch-row = Row
batch-as-of = As of
batch-on = On the list { $list }.
batch-off = Not on the list { $list }.
batch-detail = { $name }: { $value }.
batch-before = Previous
batch-after = Next
batch-measures = Until when an answer may be used and which measures may follow, a single check tells you.
batch-forget = Discard this and upload another file

## My checks.
checks-title = My checks
checks-what = Questions of your own account that were answered. It does not say here whom they were about.
checks-filter = Choose case, list, purpose and period
checks-none = You have made no checks.
checks-none-then = You made no such checks.
checks-none-yet = No such check among those looked through so far. Go further to look on.
checks-order = Newest first.
checks-receipt = Receipt

## Measures.
measures-title = Measures
measures-what = Measures of your agency that rest on answers. Each is confirmed by asking its list again, and lifted when the list does not name the person any more.
measures-all = Show those that are over too
measures-standing = Show only those that stand
measures-none = There are no such measures.
measure-title = Register a measure
measure-words = Measure
measure-restricts = restricts
measure-answer = Rests on the record
measure-by = Decided by
measure-decider = Who decided
measure-decider-hint = A person or an office. They answer for the decision.
measure-decider-missing = Enter who decided, in at most { $longest } characters
measure-until = Last day of the measure
measure-until-hint = Leave it empty when it has no end of its own
measure-until-wrong = Choose a day that is still to come
measure-go = Register
measure-registered = Measure registered
measure-lifted = Measure lifted
measure-person-told = The person or company can read it in their records and may object.
measure-ends = Ends by itself
measure-lift-by = To be lifted by { $time }.
measure-ask-again = The list is asked again about { $time }.
measure-lift = Lift
measure-lift-decider = Who decided that it is lifted
measure-lift-go = Lift for good
measure-state-sent = Sent to the log; not confirmed yet
measure-state-refused = Refused; it does not stand
measure-state-standing = Stands
measure-state-unconfirmed = Not confirmed any more; the list did not answer
measure-state-due = To be lifted
measure-state-lifting = Being lifted
measure-state-lifted = Lifted
measure-state-ended = Ended by itself

## Objections.
cases-title = Objections
cases-appeals-title = Appeals
cases-objections = Objections to our own listings
cases-appeals = Appeals that we review
cases-objections-what = Objections to listings of this agency. What is due first stands first.
cases-appeals-what = Appeals against decisions of other agencies that this agency reviews.
cases-not-over = Show only those that are not over
cases-all = Show those that are over too
cases-none = There are no such cases.
cases-waiting-objection = { $count ->
    [one] One objection waits for your agency's decision, by { $day }.
   *[other] { $count } objections wait for your agency's decision, the first by { $day }.
 }
cases-waiting-appeal = { $count ->
    [one] One appeal waits for your agency's review, by { $day }.
   *[other] { $count } appeals wait for your agency's review, the first by { $day }.
 }
cases-waiting-overdue = { $count ->
    [one] One is overdue.
   *[other] { $count } are overdue.
 }
cases-no-list = This agency keeps no list, so nobody objects here.
case-objection-title = Objection: { $list }
case-appeal-title = Appeal: { $list }
case-received = Received on
case-next = What is to be done
case-nothing-due = Nothing
case-due = { $what } by { $day }
case-duty-decide = Decide
case-duty-review = Review, by the other body
case-duty-correct = Correct the record
case-state-open = Not decided
case-state-decided = Decided
case-state-appealed = Under appeal
case-state-reviewed = Reviewed
case-subject = About
case-decide-by = To be decided by
case-carried-out = Record corrected on
case-letters = Letters
case-decide = Decide
case-decide-what = A decision is made once. The person gets it as a letter with your reasons. A listing that is annulled is removed at once.
case-outcome = Decision
case-outcome-upheld = The listing stands
case-outcome-annulled = The listing is removed
case-outcome-corrected = The listing stands with other values
case-outcome-missing = Choose a decision
case-corrected = What is corrected
case-corrected-hint = Only if the listing stands with other values
case-corrected-wrong = Say what is corrected if the listing stands with other values, and only then
case-reasons = Reasons
case-reasons-hint = For the person, in plain words
case-reasons-missing = Enter the reasons
case-decided-by = Who decides
case-decided-by-hint = A person or an office; the person is told
case-decided-by-missing = Enter who decides
case-too-long = Shorten this to at most { $longest } characters
case-go = Decide for good
letter-listing-notice = Notice of a listing
letter-objection = Objection
letter-objection-received = Receipt of the objection
letter-decision = Decision
letter-appeal = Appeal
letter-review-decision = Decision of the review
letter-misdirected = Objection handed in elsewhere
letter-removal = Notice of a removal

## The node.
node-title = Node
node-stopped = This agency's lists answer nothing now. { $reason }
node-member = Agency
node-coordinator = The coordinator last answered
node-log = Log verified here
node-records = { $count } { $count ->
    [one] record
   *[other] records
 }
node-quorum = Witnesses last stood behind
node-registry = Version of the registry
node-letters = Letters that wait to be sent
node-never = Not yet
node-standing = Standing
node-unconfirmed = Not confirmed
node-due = To be lifted
node-held = Lists kept here
node-held-none = This agency keeps no list.
node-sealed = Last published
node-held-records = Records
node-pending = Changes waiting
