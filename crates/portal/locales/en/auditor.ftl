## How far the log is verified.
desk-auditor = Auditors
nav-chain = Verification
nav-log = Access log

standing-verified = Verified to tree size { $size }, signed { $time }; { $cosigned } of { $all } witnesses cosigned.
standing-not-yet = Not yet verified.
standing-none = The log was not read yet.
standing-reading = { $count } of { $of } records were read.
standing-waiting = { $count ->
    [one] One newer record waits for the witnesses and is not shown yet.
   *[other] { $count } newer records wait for the witnesses and are not shown yet.
  }
standing-fails = FAILS:
standing-fails-next = Nothing beyond what was verified before is shown. Keep the records and the checkpoint as evidence, and tell the other auditors and the members.
standing-trouble = The log could not be looked at just now. What is shown stays verified.

## Verification.
chain-title = Verification of the log
chain-lead = This desk reads every record, recomputes the tree over them, and compares it with what the log signed and the witnesses cosigned.
chain-progress = Records that were read
chain-again = Look again
chain-looked = Last looked at { $time }. The desk looks again every few seconds.
chain-witnesses = Witnesses
chain-witness = Witness
chain-quorum = At least { $quorum } of them have to cosign a tree before its records are shown here.
chain-cosignature = This tree
chain-cosigned = Cosigned
chain-missing = Not cosigned
chain-head = The signed tree head
chain-yourself = Verify it yourself
chain-yourself-what = On a machine of your own, with your own copy of the log. Any C2SP tool can verify the exported folder.
chain-key = Key of the log:

## Access log.
log-title = Access log
log-filter = Filter
log-any = Any
log-by-from = From
log-by-until = To
log-by-kind = Event
log-by-member = Requester or member
log-by-purpose = Purpose
log-by-list = List
log-by-decision = Decision
log-by-id = Record id
log-by-index = Log index
log-show = Show
log-clear = Clear all
log-chips = Filters set
log-chip-set = { $name }: { $value }
log-chip = Remove filter:
log-day-wrong = Enter the day as year, month and day, for example 2026-11-21
log-index-wrong = Enter the log index in digits, for example 104233
log-id-wrong = Enter all 26 letters and digits of the record id
log-none = No matching entries.
log-none-range = All { $size } verified records were searched. Answers are not in the log, nor are codes of people or companies.
log-count = { $count ->
    [one] One entry, newest first.
   *[other] { $count } entries, newest first.
  }
log-index = Index
log-when = Time
log-who = Requester or member
log-holder = Holder
log-permitted = Permitted
log-refused = Refused
log-columns = All of this comes from the log, whose records are never changed or erased. What is about a person is beside the log and can be erased; an entry says what that is.

kind-access = Check
kind-refused = Refused check
kind-consent = Consent
kind-manifest = List version
kind-registry = Registry
kind-enrollment = Subjects enrolled
kind-audit = Reading
kind-box-opened = Audit box
kind-notice = Letter
kind-erasure = Erasure
kind-demand = Demand for a case
kind-export = Export
kind-measure = Measure

## One entry.
record-title = Log entry { $index }
record-lead = { $event }, { $time }
record-log = From the log
record-beside = Beside the log
record-beside-what = Whom the check was about, the case and the answer are not in the log. The record holds commitments to them only; what opens these can be erased, and then the record stays as it is.
record-follow-what = All records about the same subject, as this agency asked about it, can be read. The reading is recorded in the log, under this auditor’s name.
record-follow = Read all about this subject
record-proof = Proof
record-proven = { $count ->
    [one] Its place was recomputed from the record and one hash of the tree.
   *[other] Its place was recomputed from the record and { $count } hashes of the tree.
  }
record-download = Download the record, byte for byte
record-download-proof = Download its proof (C2SP tlog-proof)
record-offline = Verify both without a network:
field-requester = Requester
field-holder = Holder
field-lists = Lists
field-list = List
field-purpose = Purpose
field-registry = Hash of the registry
field-reason = Deciding rule
field-query = Commitment to the question
field-matter = Commitment to case and officer
field-cnf = Key that the permit is bound to
field-expires = Permit ends
field-authority = Consent authority
field-state = State
field-terms = Commitment to the terms
field-subject = Commitment to the subject
field-evidence = Commitment to the evidence
field-epoch = Epoch
field-version = Version
field-key = Key
field-buckets = Buckets
field-capacity = Capacity
field-root = Root of the table
field-note = Commitment to the note
field-number = Number
field-custodian = Custodian
field-count = Count
field-ground = Ground
field-openings = Openings
field-reader = Reader
field-pseudonyms = Pseudonyms read
field-from = From
field-until = Until
field-step = Step
field-auditor = Auditor
field-second = Second auditor
field-registration = Hash of the registration
field-about = About the record
field-due = Answer due
field-records = Records
field-form = Form
field-agreement = Agreement
field-letter = Commitment to the letter
field-measure = Number of the measure
field-member = Member
field-sender = Sender

## Overview.
nav-overview = Overview
overview-title = Overview
overview-permitted = Checks permitted
overview-refused = Checks refused
overview-others = Other records
overview-days = Checks on each of the last 14 days
overview-most = Most checks on { $day }: { $count }
overview-quiet = There were no checks.
overview-none-refused = No check was refused.
overview-table = The numbers as a table
overview-day = Day
overview-requesters = By requester
overview-checks = Checks
overview-of-them = Refused
overview-reasons = Why checks were refused

## Agreements.
nav-agreements = Agreements
agreements-title = Agreements and purposes
agreements-registry = Registry version { $number }, issued { $time }, signed by every member for its own entries.
agreements-matrix = Who may ask which list for which purpose
agreements-matrix-what = Agreements in force now. What is not in the table is refused.
agreements-none = No agreement is in force.
agreements-with-consent = with consent
agreements-all = All agreements
agreements-law = Legal basis
agreements-consent = Consent
agreements-needed = Needed for each check
agreements-not-needed = Not needed
agreements-per-day = Checks a day
agreements-until = Until
agreements-not-in-force = Not in force

## Signals and coverage.
nav-signals = Signals
signals-title = Signals and coverage
signals-lead = What is out of the ordinary, and whether two who count the same come to the same number.
signals-on-record = Subjects are counted by the coordinator, which alone can tell them apart. Each counting is recorded in the log, under this auditor’s name.
signals-count = Count now
signals-counted = Records { $from } to { $last }, counted { $time }.
signals-what = Out of the ordinary
signals-none = Nothing
signals-odd = Outside 7:00 to 19:00
signals-subjects = Subjects
signals-most = Most checks of one subject
signals-lists = Most lists about one subject
signals-enrolled = Subjects registered
signals-evaluated = Subjects evaluated
signals-sources = Checks, refusals and hours are counted here, from the log. Subjects and registrations are the coordinator’s counts, evaluated subjects the custodian’s, from the log.

## Exports.
export-title = Download these entries
export-what = The file has all entries that were found, each as it stands in the log. The export is recorded in the log, under this auditor’s name, before the file is handed over.
export-too-many = These are more entries than one file takes, 10,000. Set more filters, or export the whole log: tacit log export.
export-verify = Anybody can verify a file with proofs without a network, with the log’s key alone:
export-csv = Download as CSV
export-jsonl = Download as JSON Lines with proofs

## What became of consents and measures.
became-requested = Asked for
became-given = Given
became-refused = Refused
became-paused = Paused
became-resumed = Resumed
became-renewed = Confirmed again
became-withdrawn = Withdrawn
became-expired = Ended
became-registered = Registered
became-lifted = Lifted
nav-changes = Consents
changes-title = What became of consents
changes-lead = How often a consent was asked for and what became of it, by the agency that it is for.
changes-none = There are no consents.
changes-columns = Counted from the log, change by change. Whose consent it is, and its terms, are beside the log.

## All about one pseudonym.
follow-title = All about the subject of entry { $index }
follow-whole = { $count ->
    [one] One record, in the log of { $size }. None is missing.
   *[other] { $count } records, each in the log of { $size }. None is missing.
  }
follow-pseudonym = Pseudonym of this subject for this agency:
follow-erased = { $count ->
    [one] One older record about it can no longer be told from others since { $time }.
   *[other] { $count } older records about it can no longer be told from others since { $time }.
  }
follow-gone = What opens this record is no longer kept. The record stays in the log; nobody can say any more whom it is about.
follow-beside = Beside the log
follow-exact = Exact reason
follow-rules = Rules
follow-basis = Stated basis
follow-change = Number of the change
follow-decider = Decided by
follow-measure = Measure
follow-columns = “Beside the log” is kept beside it and is erased when its time is over; everything else comes from the log.

## Audit boxes, opened by two.
nav-openings = Audit boxes
openings-title = Audit boxes
openings-lead = For each subject that an agency registers there is a sealed box with the code, the case and the officer. Two auditors open it together, each with a key of its own and at a desk of its own; one alone opens nothing. Every step is recorded in the log before it is taken.
openings-first = This desk works for { $auditor }, which has the first key. It asks for openings and reads what was approved. It cannot approve its own.
openings-second = This desk works for { $auditor }, which has the second key. It approves what the first one asks for, and never sees what is in a box.
openings-neither = This desk works for { $auditor }, which does not have exactly one of the two keys. It sees openings and takes no part in them.
openings-no-keys = This desk works for { $auditor }, which has one of the two keys, but the desk was not given it. Name the files in the auditor’s configuration: keys.box and keys.signing.
openings-none = No box was asked for. Who has the first key asks from the page of a check in the access log.
openings-order = Newest first.
openings-asked = Asked
openings-entry = Log entry
openings-by = Asked by
openings-second-who = To be approved by
openings-columns = Who asked, about which entry, and why, is kept beside the log, at the coordinator; both auditors and the coordinator can read the ground. Each step is in the log, as a record of the event “Audit box”.
opening-title = Opening of an audit box
opening-step-requested = Waits for approval
opening-step-approved = Approved, not read yet
opening-step-read = Read
opening-waits = Waits for this desk
opening-on-record = This step is recorded in the log, under this auditor’s name, before it is taken.
opening-approve-title = Approve
opening-approve-what = You take off the outer layer of the box with the second key. What is left opens only for { $auditor }, so you see neither code nor case. Before that, the desk verifies that the box is the one behind this entry. Approve only if the ground justifies it.
opening-approve = Approve this opening
opening-own = You asked for it, so { $second } decides whether to approve it, at a desk of its own.
opening-read-title = Read
opening-read-what = The code of the subject, the case and the officer are shown once, on the page that follows. Nothing of it is kept here.
opening-read-before = It was read before. Reading again makes no further record.
opening-read = Open the box and read
opening-ask-title = Ask for the box behind log entry { $index }
opening-ask-lead = The box says which code { $requester } registered for the subject of this check, in which case, and by which officer. It also shows whether the agency told the truth.
opening-ground = Ground
opening-ground-hint = Why, in at most 500 characters. The second auditor decides by it, and the coordinator can read it: name nobody.
opening-ground-wrong = Enter a ground of 1 to 500 characters
opening-ask-record = That you ask, with a commitment to the ground, is on record before anybody answers.
opening-ask = Ask for the opening
opened-title = What the box behind log entry { $index } says
opened-once = This is shown once. The desk does not keep it; when you leave this page, it is gone.
opened-code = Code
opened-case = Case
opened-officer = Officer
opened-verified = What was verified
opened-holds = The subject in the box is the one that was registered, and the pseudonym in the log is the pseudonym of that subject: Ph = z·H(code) and Th = z·T hold.
opened-listed = The case is among the case files that you entered.
opened-finding = Finding:

## Case evidence.
nav-evidence = Case evidence
evidence-title = Case evidence
evidence-lead = The record of a check has a commitment to case and officer. The agency hands over what opens it when an auditor demands it; the coordinator cannot read the answer.
evidence-none = Nothing was demanded. Demand the case of a check from its page in the access log.
evidence-order = Newest first.
evidence-demanded = Demanded
evidence-answer = Answer
evidence-open = Not answered yet
evidence-overdue = Overdue: no answer in time
evidence-answered = Answered, not read yet
evidence-proven = Proven: it opens the commitment in the record
evidence-false = It does not open the commitment in the record
evidence-answered-at = Answered { $time }
evidence-columns = Demands and when they are due are in the log. When an answer came is what the coordinator says; whether it is right is verified here.
evidence-judge-title = Read the answers
evidence-judge-what = Each answer is opened with this auditor’s key and compared with its record. What does not fit is kept as a finding, without case and officer.
evidence-judge = Read and verify the answers
evidence-files = Case files (optional)
evidence-files-hint = Case numbers that the agency handed over another way, one a line. A case that is not among them is a finding.
evidence-once = Cases and officers are shown on this page alone and kept nowhere.
evidence-right = Nothing was found that does not fit.
evidence-wrong = { $count ->
    [one] One finding.
   *[other] { $count } findings.
  }
evidence-demand-title = Demand the case of log entry { $index }
evidence-demand-lead = The agency { $requester } hands over the case number and the officer of this check, with what proves that they are those of the record. Its node answers by itself.
evidence-days = Days to answer
evidence-days-hint = 1 to 30. After that the demand is overdue, which is a finding.
evidence-days-wrong = Enter a number of days from 1 to 30
evidence-demand-record = The demand is recorded in the log, under this auditor’s name.
evidence-demand = Demand the case
evidence-no-key = Answers are sealed to the auditor’s box key, and this desk has none. Name its file in the auditor’s configuration: keys.box.

## Findings.
nav-findings = Findings
findings-title = Findings
findings-lead = What does not fit, whether it was found here or on the command line. A finding names no code, no case and no officer.
findings-none = There are no findings of this kind.
findings-all = All
findings-count = { $count ->
    [one] One finding, newest first.
   *[other] { $count } findings, newest first.
  }
findings-kept = Kept among the findings
findings-take = Download these findings
findings-take-what = As they stand in the file. Findings are the auditor’s own: downloading them is no export from the log.
findings-jsonl = Download as JSON Lines
finding-title = A finding
finding-when = Found
finding-kind = Kind
finding-what = What
finding-status = Status
finding-id = Number
finding-said = What was said to it
finding-set-title = Say what became of it
finding-note = Note (optional)
finding-note-hint = At most 500 characters. Write no code, no case and no officer.
finding-note-wrong = Shorten the note to 500 characters
finding-set = Save
finding-status-open = Open
finding-status-answered = Answered
finding-status-closed = Closed
finding-status-wrong = Choose a status
finding-kind-alias = False enrollment
finding-kind-case = Case
finding-kind-overdue = Overdue demand
finding-kind-honey = Code that nobody has
finding-kind-signal = Signal
finding-kind-coverage = Coverage
finding-kind-log = Log
found-box-unreadable = The audit box cannot be read. Only the agency can have made it so.
found-other-subject = Another subject was registered than the one named in the box.
found-other-pseudonym = The pseudonym is not that of the subject named in the box.
found-box-case-unlisted = The case in the box is not among the agency’s case files.
found-case-false = The case evidence is not that of the check.
found-case-unlisted = The case number is not among the agency’s case files.
found-overdue = The agency did not answer a demand in time.
found-honey-asked = It asked about a code that nobody has, in log entry { $count }.
found-honey-enrolled = It registered a code that nobody has.
found-sweep = It asked about { $count } subjects; its agreements state { $of }.
found-refused = { $count } of { $of } checks were refused.
found-odd-hours = { $count } of { $of } checks were made outside office hours.
found-breadth = It asked { $count } lists about one subject; { $of } or more are unusual.
found-repeats = It asked { $of } times or more about each of { $count } subjects.
found-miscounted = The coordinator counts { $count } checks, the log has { $of }.
found-uncounted = The coordinator leaves it out of its counts, the log has { $of } checks of it.
found-unevaluated = { $count } subjects are registered, only { $of } were evaluated.
found-log-fails = The log failed verification.
signals-keep-what = What is out of the ordinary can be kept as findings, where it can be followed up.
signals-keep = Keep as findings
record-open-what = Two auditors together can open the sealed box behind this check. The agency can be asked for the case and the officer.
record-open = Ask for the audit box to be opened
record-case = Demand the case and the officer
