## 首页。
home-title = 关于我的记录
home-lead = 查看谁查询过您、为什么查询，以及名单上怎么说。
home-login = 登录
home-login-what = 您需要使用身份提供方的登录。企业由有权代表它的人查看。
home-asked = 谁查询过我
home-asked-what = 每一次关于您的查询，包括被拒绝的，都附有理由和证明。

## 数据有多新。
fresh-as-of = 截至{ $time }的记录完整。
fresh-next = 下一次读取日志大约在{ $time }，为所有人一起进行，因此从读取的时间看不出谁登录过。
fresh-none = 还没有为您读取过日志。第一次读取之后，这里会显示已有的记录。
fresh-waiting = 尚未读取：{ $members }。
fresh-finding = 日志的内容自相矛盾：{ $finding }。本页可能不完整；审计员会得到通知。

## 谁查询过我。
asked-title = 谁查询过我
asked-filter = 选择时间段
asked-from = 从
asked-until = 到
asked-show = 显示
asked-clear = 清除
asked-period-wrong = 请按年、月、日填写日期，例如 2026-11-21
asked-none = 到目前为止没有人查询过您。
asked-none-then = 这段时间内没有人查询过您。
asked-count = 共 { $count } 条，最新的在前。
asked-when = 时间
asked-what = 发生了什么
asked-why = 理由或法律依据
asked-record = 记录
asked-number = 第 { $index } 号
asked-refused = 已拒绝
asked-pages = 分页
asked-page = 第 { $number } 页，共 { $pages } 页
asked-before = 较新的
asked-after = 较早的
asked-export = 全部下载：
asked-limits = 每一条说明有人获准查询，或被拒绝。回答是什么，日志里没有。

outcome-permitted = { $agency }查询了您是否在以下名单上：{ $lists }。目的：{ $purpose }。
outcome-refused = { $agency }想查询您是否在以下名单上：{ $lists }。查询被拒绝，它什么也没有得知。目的：{ $purpose }。
outcome-erased = 较早记录的详细内容已被删除。
outcome-letter-to-person = { $agency }给您写了一封信。
outcome-letter-to-member = 已代您寄信给{ $agency }。
outcome-measure-registered = { $agency }根据关于您的回答采取了措施。
outcome-measure-lifted = { $agency }解除了一项措施。
outcome-consent-given = 您同意{ $agency }查询您。
outcome-consent-renewed = 您再次确认{ $agency }可以查询您。
outcome-consent-paused = 您暂停了对{ $agency }的同意。
outcome-consent-withdrawn = 您撤回了对{ $agency }的同意。
outcome-consent-requested = { $agency }请求您的同意。
outcome-consent-refused = 您拒绝了{ $agency }的同意请求。
outcome-consent-expired = 对{ $agency }的同意已到期。

## 一条记录。
entry-title = 一条记录
entry-back = 谁查询过我
entry-when = 记录时间
entry-who = 机构
entry-lists = 名单
entry-purpose = 目的
entry-law = 法律依据
entry-refused = 被拒绝的原因
entry-restrictions = 它可以怎样使用回答
entry-note = 说明
entry-learned = 如果您在名单上，它还会得知类别、日期以及您是否有异议。如果不在，它只得知这一点。
entry-proof = 证明
entry-verified = 本条是公开日志的第 { $index } 号。读取时，它的位置已根据日志签名的树重新计算过。
entry-checkpoint = 用来证明它的签名树头
entry-download = 下载本条及其完整证明（JSON）
entry-record = 记录编号

## 代表他人办理。
acting-title = 代表他人办理
acting-what = 企业或未成年人的记录，由持有委托的人查看。委托只包括所写的事项，到最后一天为止。
acting-none = 您没有任何委托。
acting-scopes = 您可以：{ $scopes }。
acting-until = 有效至{ $time }。
acting-over = 已于{ $time }到期。
acting-begin = 代表{ $name }办理
acting-clerk = 在柜台协助办理
acting-clerk-what = 只办理您面前的人所要求的事项。您的协助及其原因会记录在您的账户名下。
acting-clerk-wrong = 请填写全部四项
acting-clerk-scheme = 证件种类
acting-clerk-code = 证件号码
acting-clerk-name = 证件上的姓名
acting-clerk-why = 当事人要办理什么
acting-clerk-begin = 开始
scope-read = 查看记录
scope-check = 查询名单
scope-consent = 给予和撤回同意
scope-object = 提出异议和申诉
