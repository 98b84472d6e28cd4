using System.Text;
using EmailApi.Emails;

namespace EmailApi.Tests.Emails;

public class AttachmentRulesTests
{
    [Theory]
    [InlineData("invoice.pdf", "invoice.pdf")]
    [InlineData("請求書　11月.pdf", "請求書　11月.pdf")]
    [InlineData("../../etc/passwd", "passwd")]
    [InlineData("C:\\Windows\\system32\\a.dll", "a.dll")]
    [InlineData("a\r\nBcc: x@example.com.txt", "a  Bcc: x@example.com.txt")]
    [InlineData("a\0b.txt", "ab.txt")]
    [InlineData("photo\u202Egpj.exe", "photogpj.exe")]
    [InlineData("report.exe. . ", "report.exe")]
    [InlineData(".htaccess", ".htaccess")]
    [InlineData("..", "attachment")]
    [InlineData(".", "attachment")]
    [InlineData("/", "attachment")]
    [InlineData("dir/", "attachment")]
    [InlineData("", "attachment")]
    [InlineData(null, "attachment")]
    public void A_file_name_is_a_harmless_last_segment(string? name, string safe) => Assert.Equal(safe, AttachmentRules.SafeFileName(name));

    [Fact]
    public void A_long_file_name_keeps_its_extension_and_whole_characters()
    {
        var safe = AttachmentRules.SafeFileName(new string('請', 200) + ".pdf");

        Assert.Equal(new string('請', 83) + ".pdf", safe);
        Assert.True(Encoding.UTF8.GetByteCount(safe) <= AttachmentRules.MaxFileNameBytes);
    }

    [Theory]
    [InlineData("logo", true)]
    [InlineData("logo@shop.example", true)]
    [InlineData("<logo>", false)]
    [InlineData("lo go", false)]
    [InlineData("logo\r\nX: y", false)]
    [InlineData("ロゴ", false)]
    [InlineData("", false)]
    public void A_content_id_can_be_named_by_html(string contentId, bool isGood) =>
        Assert.Equal(isGood, AttachmentRules.ContentIdRefusal(contentId) is null);
}
