"""Words that hint at what a part of a page is: in class and id attributes, and in its text.

Tables of words by class of meaning, compiled to open-addressing hash tables for the kernels. The
words are the common currency of themes, forum engines and shops; none belongs to a single site.
"""

from __future__ import annotations

import numpy as np

from pipeline.html.hashing import fnv

ATTRIBUTE_CUES: dict[str, str] = {
    "article": "article story blogpost newsarticle entry hentry artikel articulo artigo",
    "post": "post topic viewtopic postbody postcontent blog singlepost",
    "content": (
        "content body text prose copy richtext rte markdown md wysiwyg editor editorial contentbody"
        " inhalt contenido contenu zhengwen paragraph"
    ),
    "main": "main primary maincol maincontent",
    "comment": "comment comments disqus respond discussion pinglun kommentar comentarios livefyre",
    "reply": "reply replies answer question qa responses",
    "forum": "forum thread message msg bbs floor postmessage phpbb vbulletin discourse xenforo lzl",
    "sidebar": "sidebar side aside rail widget secondary complementary sidecolumn rightcol leftcol",
    "column": "column col right left",
    "nav": (
        "nav navi navigation navbar menu menubar submenu megamenu menuitem topnav subnav sitemap"
    ),
    "breadcrumb": "breadcrumb breadcrumbs crumb crumbs bread ariane mbx weizhi",
    "header": "header masthead topbar branding logo site head hdr",
    "footer": "footer foot colophon contentinfo bottom ftr legal copyright",
    "related": (
        "related recommend recommended recommendation recommendations similar popular trending"
        " latest recent mostread mostpopular suggest suggested outbrain taboola readmore upnext"
        " also more other xiangguan tuijian"
    ),
    "share": (
        "share sharing shares social socials facebook twitter follow addthis sns pinterest linkedin"
        " whatsapp sharedaddy addtoany fenxiang"
    ),
    "advert": (
        "ad ads advert advertisement advertising sponsor sponsored promo promotion promotions dfp"
        " gpt adsense adslot banner commercial guanggao"
    ),
    "consent": "cookie cookies consent gdpr onetrust cookiebot privacy cmp",
    "overlay": "modal popup overlay lightbox dialog popover drawer offcanvas flyout tooltip toast",
    "subscribe": "newsletter subscribe subscription signup paywall mailchimp optin premium",
    "account": "login signin register registration account user member profile",
    "author": "author byline bio writer contributor avatar username postauthor postprofile",
    "meta": "meta metadata info postmeta entrymeta infobar details attribution source",
    "date": "date time timestamp published dateline datetime pubdate updated",
    "tag": "tag tags category categories cat label keywords topics taxonomy",
    "caption": "caption figcaption credit credits wp",
    "image": "image img photo photos picture thumb thumbnail gallery media icon",
    "video": "video player slider carousel swiper slick slide slideshow podcast audio embed",
    "product": "product products sku pdp woocommerce proditem goods shop",
    "price": "price prices cart buy basket checkout stock shipping quantity wishlist addtocart",
    "description": "description desc about overview longdescription",
    "summary": (
        "summary excerpt abstract intro introduction lead lede teaser subtitle dek standfirst"
    ),
    "review": "review reviews rating ratings stars testimonial testimonials bewertung",
    "spec": "spec specs specification specifications attributes properties features feature",
    "list": "list items listing archive collection directory",
    "item": "item card tile cell grid row",
    "result": "results result hits",
    "pager": "pagination pager paging paginate pagenav prev previous next",
    "search": "search filter filters facet facets sort refine sorting",
    "toc": "toc contents outline tableofcontents onthispage anchor jump",
    "code": "code highlight syntax codehilite snippet crayon prettyprint gist codeblock sourcecode",
    "title": "title headline heading hed posttitle entrytitle biaoti",
    "hidden": "hidden hide invisible collapsed sr screenreader visuallyhidden noprint print",
    "action": (
        "vote votes action actions controls button buttons btn like likes report tools toolbar"
    ),
    "signature": "signature sig onlinestatus rank joined",
    "accordion": "faq faqs accordion tab tabs panel toggle expand collapse collapsible",
    "doc": "doc docs documentation wiki mw reference api guide parser rst sphinx docutils",
    "notice": "notice alert warning disclaimer announcement note admonition callout infobox",
    "count": "count stats views badge counter num number",
    "contact": "contact address location phone hours map tel email office",
    "cta": "cta hero jumbotron landing marketing",
    "section": "section module block region component",
    "quote": "quote blockquote pullquote quoted bbcode",
    "language": "language languages lang locale translation translations country currency",
    "dropdown": "dropdown select option options",
    "event": "event events calendar job jobs vacancy recipe ingredient ingredients directions",
}

TEXT_CUES: dict[str, str] = {
    "copyright": "copyright rights reserved powered © 版权 权所 所有 备案",
    "policy": (
        "cookie cookies privacy terms policy gdpr datenschutz impressum disclaimer legal agb"
        " accessibility imprint 隐私 条款 声明"
    ),
    "subscribe": (
        "subscribe newsletter newsletters inbox email unsubscribe abonnieren abonnez subscription"
        " subscriber subscribers suscríbete rss 订阅"
    ),
    "account": "login sign signin log logout register password account username 登录 注册 密码",
    "share": (
        "share tweet facebook twitter pinterest linkedin whatsapp instagram telegram reddit follow"
        " youtube teilen partager compartir 分享 收藏 微信 微博"
    ),
    "related": (
        "related recommended popular trending latest similar recent featured also you might"
        " 相关 推荐 热门 更多 阅读"
    ),
    "comment": (
        "comment comments reply replies kommentare kommentar antworten commentaires comentarios"
        " quote thread post posts 评论 回复 楼主 发帖"
    ),
    "nav": (
        "home menu search contact about faq help next previous back top skip navigation categories"
        " sitemap archives startseite suche 首页 导航 上一 下一 返回 搜索"
    ),
    "meta": (
        "posted published updated by author written minutes min read ago views edited source von"
        " 作者 来源 编辑 发布 发表 浏览 记者 责任"
    ),
    "advert": "advertisement ad ads sponsored advertising promoted anzeige werbung 广告",
    "shop": (
        "cart price buy shop shipping stock wishlist add quantity checkout delivery order sale off"
        " sku basket warenkorb 购买 价格"
    ),
    "date": (
        "january february march april may june july august september october november december jan"
        " feb mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday"
        " saturday sunday januar februar märz mai juni juli oktober dezember today yesterday am pm"
    ),
    "function": (
        "the a an of and to in is that it for was on with as be at this are from or have not but"
        " were has had which will can their would been its there der die das und ist nicht von zu"
        " mit den ein eine im auf für dem des sich auch es le la les de des et est une un dans que"
        " pour qui sur pas plus par el los las en y del se por con una para no na и в не на что с"
        " по как это из у к за от же di che il per non del della sono een het van dat op"
        " 的是 是一 这个 我们 他们 不是 就是 了一 的人 可以 没有 也是"
    ),
    "person": "i my me we our us you your he she his her they ich wir sie je nous vous 我 你 他",
    "script": "javascript browser enable loading please upgrade disabled unsupported",
    "credit": "photo image images credit getty photograph picture courtesy reuters afp 图片 资料",
    "more": "more read click learn view see show all load details here mehr weiter lire suite 查看",
    "joined": (
        "joined member messages likes points reputation location rank senior junior 积分 等级"
    ),
    "question": "how what why when where who which ?",
    "step": "step note example figure table chapter section usage install returns parameters",
}

PAGE_CUES: dict[str, str] = {
    "says_article": "newsarticle article blogposting reportagenewsarticle analysisnewsarticle",
    "says_product": "product offer aggregateoffer productgroup",
    "says_forum": (
        "discussionforumposting qapage question discourse phpbb vbulletin xenforo flarum mybb"
        " invision nodebb vanilla discuz smf"
    ),
    "says_list": "itemlist collectionpage searchresultspage offercatalog",
    "says_business": "localbusiness organization service professionalservice corporation faqpage",
    "says_website": "website webpage",
    "says_wiki": "mediawiki sphinx docusaurus mkdocs techarticle hugo jekyll gitbook vitepress",
    "says_shop": "shopify woocommerce magento prestashop bigcommerce",
    "says_builder": "wordpress elementor wix squarespace webflow drupal joomla typo blogger",
}
"""Words of JSON-LD types, og:type and generators."""

ATTRIBUTE_NAMES = tuple(ATTRIBUTE_CUES)
TEXT_NAMES = tuple(TEXT_CUES)
PAGE_NAMES = tuple(PAGE_CUES)


def _table(cues: dict[str, str]) -> tuple[np.ndarray, np.ndarray]:
    """Open-addressing table (keys, values): hash of a word to the number of its class, or 255."""
    words = {word: number for number, text in enumerate(cues.values()) for word in text.split()}
    size = 1
    while size < 4 * len(words):
        size *= 2
    keys, values = np.zeros(size, np.uint32), np.full(size, 255, np.uint8)
    for word, number in sorted(words.items()):
        key = fnv(word.encode())
        slot = key & (size - 1)
        while values[slot] != 255:
            if keys[slot] == key:
                raise ValueError(f"two words of the lexicon share a hash: {word}")
            slot = (slot + 1) & (size - 1)
        keys[slot], values[slot] = key, number
    return keys, values


ATTRIBUTE_KEYS, ATTRIBUTE_VALUES = _table(ATTRIBUTE_CUES)
TEXT_KEYS, TEXT_VALUES = _table(TEXT_CUES)
PAGE_KEYS, PAGE_VALUES = _table(PAGE_CUES)
