## 每个页面的框架。
desk-subject = 我的记录
frame-language = 语言
frame-skip = 跳到主要内容
frame-nav = 菜单
frame-logout = 退出
frame-wrong = 出错：
frame-problem = 填写有误
frame-warning = 警告
frame-development = 开发用登录。
frame-development-what = 能打开本页的人都可以用任何身份登录。它只在本机有效，仅供试用。
frame-acting = 正在代表
frame-acting-over = 委托已到期
frame-acting-stop = 停止代办
frame-printed = 打印时间：{ $time }
frame-footer = Tacit 每次只回答一个问题：就某一合法目的而言，某个代码是否在某份名单上？每次查询均先写入可查出篡改的日志，然后作答。

nav-home = 首页
nav-lists = 名单
nav-consents = 我的同意
nav-asked = 谁查询过我
nav-acting = 代表他人

state-verified = 已验证
state-pending = 尚未验证
state-erased = 已删除
state-fails = 验证失败

## 登录与退出。
login-title = 登录
login-provider = 请通过您的身份提供方登录。Tacit 由其得知您的身份，不保存任何密码。
login-who = 您要以谁的身份登录？
login-go = 继续
goodbye-title = 您已退出
goodbye-what = 您的会话已在服务器上结束。如果使用的是公用电脑，请同时关闭浏览器。
goodbye-again = 重新登录

## 问题：说明发生了什么、该怎么办。
problem-home = 返回首页
problem-request = 如需求助，请提供本次请求的编号：
problem-logged-out = 您尚未登录
problem-logged-out-next = 没有任何改动。请登录后再操作一次。
problem-forged = 无法接受这份表单
problem-forged-next = 表单已过期，或不是从本网站提交的。没有任何改动。请重新打开页面，再提交一次。
problem-not-allowed = 您无权使用本页
problem-not-allowed-next = 您的账户没有这项权限。如果应当有，请联系为您开通账户的机构。
problem-mandate-over = 您的委托已到期
problem-mandate-over-next = 您代表该个人或企业办理的期限已满。这次尝试已被记录。请取得新的委托。
problem-mandate-scope = 委托未授权办理此事项
problem-mandate-scope-next = 委托授权办理的是其他事项。这次尝试已被记录。请取得授权办理此事项的委托。
problem-not-found = 没有这个页面
problem-not-found-next = 地址可能有误，或者它所指的内容与您无关。
problem-method = 这个地址不接受这种操作
problem-method-next = 请重新打开页面，使用页面上的表单。
problem-form = 无法读取表单
problem-form-next = 表单可能过大。没有任何改动。请重新打开页面，再提交一次。
problem-login = 未能登录
problem-login-next = 身份提供方没有确认您的身份，或等待时间过长。请重试。
problem-limited = 操作过于频繁
problem-limited-next = 没有任何改动。请在 { $seconds } 秒后（{ $time }）再试。
problem-trouble = 目前无法办理
problem-trouble-next = 没有任何改动。请稍后再试；如仍无法办理，请求助。
problem-internal = 系统出现问题
problem-internal-next = 没有丢失任何内容。请稍后再试；如问题仍然存在，请求助。

## 代码的种类。
scheme-cn-uscc = 统一社会信用代码
scheme-cn-rid = 居民身份证号码
scheme-lei = 法人机构识别编码（LEI）
